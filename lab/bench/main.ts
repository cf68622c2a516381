import { availableParallelism, loadavg } from "node:os";
import type { Benchmark } from "./benchmark.ts";
import { cacheDownBenchmark } from "./cache-down.ts";
import { clickBenchmark } from "./click.ts";
import { crashBenchmark } from "./crash.ts";
import { memoryBenchmark } from "./memory.ts";
import { proxyBenchmark } from "./proxy.ts";
import { startBenchmark } from "./start.ts";
import { taxBenchmark } from "./tax.ts";
import { traceBenchmark } from "./trace.ts";
import { verifyBenchmark } from "./verify.ts";

const benchmarks: readonly Benchmark[] = [
  startBenchmark,
  traceBenchmark,
  clickBenchmark,
  taxBenchmark,
  proxyBenchmark,
  cacheDownBenchmark,
  crashBenchmark,
  memoryBenchmark,
  verifyBenchmark,
];
/** Takes minutes and options of its own, so it runs only when it is asked for. */
const store = "store";

const asked = process.argv.slice(2);
const ids = benchmarks.map((benchmark) => benchmark.id);
const unknown = asked[0] === store ? [] : asked.filter((id) => !ids.includes(id));
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(", ")}`);
  console.error(`hint: one of ${[...ids, store].join(", ")}`);
  process.exit(3);
}
console.log(
  `${availableParallelism()} cores, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)} at the start`,
);
if (asked[0] === store) await import("../store/bench.ts");
else for (const benchmark of benchmarks) await print(benchmark);
console.log(`\nload ${loadavg()[0]?.toFixed(1)} at the end`);

async function print(benchmark: Benchmark): Promise<void> {
  if (asked.length > 0 && !asked.includes(benchmark.id)) return;
  console.log(`\n${benchmark.title}`);
  for (const figure of await benchmark.run()) {
    const bound = figure.bound === undefined ? "" : `   ${figure.bound}`;
    console.log(
      `  ${figure.what.padEnd(56)}${figure.value.padStart(14)}   n=${figure.samples}${bound}`,
    );
  }
}
