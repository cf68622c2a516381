import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Benchmark, Figure } from "./benchmark.ts";
import type { ProxyTrips } from "./proxy-trips.ts";
import { digits } from "./statistics.ts";

const program = fileURLToPath(new URL("./proxy-trips.ts", import.meta.url));

/**
 * What the lab's TCP proxy adds to a round trip while nothing is armed. On one core that is its own
 * work. Between cores it stays awake from one message to the next, or waking it would take longer than
 * the work; what is left of that is up to the machine, so one run tells less than the median of ten.
 */
export const proxyBenchmark: Benchmark = {
  id: "proxy",
  title: "Proxy in front of a service, idle: added to a round trip",
  run: async () => [
    ...(process.platform === "linux"
      ? figuresOf("on one core", await tripsThrough(["taskset", "-c", "0"]))
      : []),
    ...figuresOf("between cores", await tripsThrough([])),
  ],
};

async function tripsThrough(prefix: readonly string[]): Promise<ProxyTrips> {
  const [file = process.execPath, ...args] = [...prefix, process.execPath, program];
  const { stdout } = await promisify(execFile)(file, args);
  return JSON.parse(stdout);
}

function figuresOf(where: string, trips: ProxyTrips): readonly Figure[] {
  const { samples, direct, proxied } = trips;
  const figure = (what: string, ms: number, bound?: string): Figure => ({
    ...{ what: `${where}, ${what}`, value: `${digits(ms * 1000)} µs`, samples },
    ...(bound === undefined ? {} : { bound }),
  });
  return [
    figure("round trip without it, p50", direct[0]),
    figure("round trip through it, p50", proxied[0]),
    figure("added, p50", proxied[0] - direct[0], "≤ 50 µs"),
    figure("added, p99", proxied[1] - direct[1]),
  ];
}
