import { mkdtempSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";

/** Prints a figure, and how busy the machine was: on a busy one, wall-clock times say little. */
export const report = (figure: string, value: string): void =>
  console.log(`${figure.padEnd(70)} ${value}   (load ${loadavg()[0]?.toFixed(1)})`);

export const tempDir = (): string => mkdtempSync(join(tmpdir(), "lab-store-bench-"));

/** Of this process, in user and kernel mode. */
export const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

export function p50(times: number, run: (n: number) => void): string {
  const ms: number[] = [];
  const cpu = cpuSeconds();
  for (let n = 0; n < times; n++) {
    const before = performance.now();
    run(n);
    ms.push(performance.now() - before);
  }
  const cpuMs = ((cpuSeconds() - cpu) / times) * 1000;
  return `${quantiles(ms)}, ${cpuMs.toFixed(2)} ms of CPU on average`;
}

export function quantiles(times: readonly number[]): string {
  const ms = times.toSorted((a, b) => a - b);
  const at = (share: number): string => (ms[Math.floor(ms.length * share)] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
