import { availableParallelism, loadavg } from "node:os";
import type { Benchmark } from "./benchmark.ts";
import { clickBenchmark } from "./click.ts";
import { memoryBenchmark } from "./memory.ts";
import { startBenchmark } from "./start.ts";
import { taxBenchmark } from "./tax.ts";
import { traceBenchmark } from "./trace.ts";

const benchmarks: readonly Benchmark[] = [
  startBenchmark,
  traceBenchmark,
  clickBenchmark,
  taxBenchmark,
  memoryBenchmark,
];

const asked = process.argv.slice(2);
const unknown = asked.filter((id) => !benchmarks.some((benchmark) => benchmark.id === id));
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(", ")}`);
  console.error(`hint: one of ${benchmarks.map((benchmark) => benchmark.id).join(", ")}`);
  process.exit(3);
}
console.log(
  `${availableParallelism()} cores, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)} at the start`,
);
for (const benchmark of benchmarks) {
  if (asked.length > 0 && !asked.includes(benchmark.id)) continue;
  console.log(`\n${benchmark.title}`);
  for (const figure of await benchmark.run()) {
    const bound = figure.bound === undefined ? "" : `   ${figure.bound}`;
    console.log(
      `  ${figure.what.padEnd(56)}${figure.value.padStart(14)}   n=${figure.samples}${bound}`,
    );
  }
}
