import { rm } from "node:fs/promises";
import type { Benchmark } from "./benchmark.ts";
import { runVerb, temporaryFolder } from "./lab-under-test.ts";
import { digits, percentile } from "./statistics.ts";

const colds = 3;
const warms = 5;

/** From typing the command to everything ready and stopped again, whole processes, wall clock. */
export const startBenchmark: Benchmark = {
  id: "start",
  title: "Start, all services ready (process start and clean stop included)",
  run: async () => {
    const cold: number[] = [];
    const warm: number[] = [];
    for (let round = 0; round < colds; round += 1) {
      const dir = await temporaryFolder();
      cold.push(await timedStart(dir));
      const again = round === 0 ? warms - colds + 1 : 1;
      for (let n = 0; n < again; n += 1) warm.push(await timedStart(dir));
      await rm(dir, { recursive: true, force: true });
    }
    return [
      {
        what: "cold: no state (initdb, seed, page build), median",
        value: `${digits(percentile(cold, 50))} s`,
        bound: "≤ 10 s (aim 5 s)",
        samples: colds,
      },
      {
        what: "warm, median",
        value: `${digits(percentile(warm, 50))} s`,
        bound: "≤ 4 s (aim 2 s)",
        samples: warms,
      },
    ];
  },
};

async function timedStart(dir: string): Promise<number> {
  const begin = performance.now();
  await runVerb(dir, "--until-ready", "--no-open");
  return (performance.now() - begin) / 1000;
}
