import type { Figure } from "./benchmark.ts";

/** The p-th percentile (0 to 100) of `values` by nearest rank; NaN for no values. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(0, Math.ceil((p / 100) * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}

/** Three significant digits, the most a shared machine supports. */
export const digits = (value: number): string =>
  Number.isNaN(value) ? "–" : String(Number(value.toPrecision(3)));

/** Median and highest of some milliseconds. */
export const spread = (what: string, values: readonly number[], bound?: string): Figure => ({
  what: `${what}, p50 and highest`,
  value: `${digits(percentile(values, 50))}, ${digits(Math.max(...values))} ms`,
  samples: values.length,
  ...(bound === undefined ? {} : { bound }),
});
