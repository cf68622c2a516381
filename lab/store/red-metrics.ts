import { rowMask } from "./chunked-table.ts";
import type { StoreIndex } from "./store.ts";

/** Rate, errors and durations of one operation of one service, computed from its spans. */
export interface RedRow {
  readonly service: string;
  readonly name: string;
  readonly count: number;
  /** Per second over the window. */
  readonly rate: number;
  readonly errors: number;
  /** Milliseconds; each within 3 % of the exact value. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

/** Buckets per doubling of the duration: neighbours are 4.4 % apart. */
const perDoubling = 16;
const buckets = 54 * perDoubling;

/** Operations whose spans started in the last `seconds` before `now` (ms since the epoch), busiest first. */
export function redMetrics(index: StoreIndex, seconds: number, now: number): readonly RedRow[] {
  const { high, low } = index.base();
  const sinceNs = now * 1e6 - (high * 0x1_0000_0000 + low) - seconds * 1e9;
  const operations = new Map<
    number,
    { count: number; errors: number; readonly durations: Uint32Array }
  >();
  for (let row = index.spans.first(); row <= index.spans.last(); row++) {
    const columns = index.spans.columnsOf(row);
    const at = row & rowMask;
    if ((columns.start[at] as number) < sinceNs) continue;
    const key = (columns.service[at] as number) * 0x1_0000_0000 + (columns.name[at] as number);
    let operation = operations.get(key);
    if (operation === undefined) {
      operation = { count: 0, errors: 0, durations: new Uint32Array(buckets) };
      operations.set(key, operation);
    }
    operation.count++;
    if (columns.status[at] === 2) operation.errors++;
    const bucket = bucketOf(columns.duration[at] as number);
    operation.durations[bucket] = (operation.durations[bucket] as number) + 1;
  }
  return [...operations]
    .map(([key, { count, errors, durations }]) => ({
      service: index.services.text(Math.floor(key / 0x1_0000_0000)) ?? "",
      name: index.names.text(key % 0x1_0000_0000) ?? "(other)",
      count,
      rate: count / seconds,
      errors,
      p50Ms: quantile(durations, count, 0.5),
      p95Ms: quantile(durations, count, 0.95),
      p99Ms: quantile(durations, count, 0.99),
    }))
    .sort((a, b) => b.count - a.count);
}

const bucketOf = (ns: number): number =>
  ns < 1 ? 0 : Math.min(buckets - 1, Math.floor(Math.log2(ns) * perDoubling) + 1);

/** Middle of the bucket that holds the quantile, in milliseconds. */
function quantile(durations: Uint32Array, count: number, share: number): number {
  let left = Math.ceil(count * share);
  for (const [bucket, each] of durations.entries()) {
    left -= each;
    if (left <= 0) return bucket === 0 ? 0 : 2 ** ((bucket - 0.5) / perDoubling) / 1e6;
  }
  return 0;
}
