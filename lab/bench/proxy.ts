import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { openProxies } from "#lab/faults/proxies.ts";
import type { Benchmark, Figure } from "./benchmark.ts";
import { digits, percentile } from "./statistics.ts";

/** Round trips of one turn; direct and proxied turns alternate, so that both see the same machine. */
const tripsPerTurn = 500;
const turns = 20;
/** About what a query and a small answer weigh. */
const message = Buffer.alloc(128, "x");

/** What the lab's TCP proxy adds to a round trip while nothing is armed. */
export const proxyBenchmark: Benchmark = {
  id: "proxy",
  title: "Proxy in front of a service, idle: added to a round trip",
  run: async () => {
    const peer = fork(new URL("./echo-peer.ts", import.meta.url));
    const [port] = (await once(peer, "message")) as [number];
    const proxies = openProxies();
    try {
      const proxied = await proxies.portOf("postgres");
      proxies.aim("postgres", port);
      return await compare(await open(port), await open(proxied));
    } finally {
      await proxies.close();
      peer.disconnect();
    }
  },
};

async function compare(direct: Socket, proxied: Socket): Promise<readonly Figure[]> {
  const times = { direct: [] as number[], proxied: [] as number[] };
  await turn(direct);
  await turn(proxied);
  for (let n = 0; n < turns; n++) {
    times.direct.push(...(await turn(direct)));
    times.proxied.push(...(await turn(proxied)));
  }
  direct.destroy();
  proxied.destroy();
  const samples = turns * tripsPerTurn;
  const added = (p: number) => percentile(times.proxied, p) - percentile(times.direct, p);
  const figure = (what: string, ms: number, bound?: string): Figure => ({
    ...{ what, value: `${digits(ms * 1000)} µs`, samples },
    ...(bound === undefined ? {} : { bound }),
  });
  const ratio = percentile(times.proxied, 50) / percentile(times.direct, 50);
  return [
    figure("round trip without it, p50", percentile(times.direct, 50)),
    figure("round trip through it, p50", percentile(times.proxied, 50)),
    figure("added, p50", added(50), "≤ 50 µs"),
    figure("added, p99", added(99)),
    { what: "through it to without it, p50", value: `${digits(ratio)}×`, samples },
  ];
}

/** Times of round trips one after the other, in milliseconds. */
async function turn(socket: Socket): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < tripsPerTurn; n++) {
    const begun = performance.now();
    await trip(socket);
    times.push(performance.now() - begun);
  }
  return times;
}

function trip(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    let missing = message.length;
    const take = (bytes: Buffer): void => {
      missing -= bytes.length;
      if (missing > 0) return;
      socket.off("data", take);
      resolve();
    };
    socket.on("data", take);
    socket.write(message);
  });
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  // The proxy connects on while its own client is connected already.
  await trip(socket);
  return socket;
}
