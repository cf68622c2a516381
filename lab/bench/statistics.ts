/** The p-th percentile (0 to 100) of `values` by nearest rank; NaN for no values. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(0, Math.ceil((p / 100) * sorted.length) - 1);
  return sorted[rank] ?? Number.NaN;
}

/** Three significant digits, the most a shared machine supports. */
export const digits = (value: number): string =>
  Number.isNaN(value) ? "–" : String(Number(value.toPrecision(3)));
