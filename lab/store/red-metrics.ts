import type { RedBody, RedRow } from "#lab/api/red.ts";
import { rowMask } from "./chunked-table.ts";
import type { StoreIndex } from "./store.ts";
import { kinds } from "./traceql/syntax.ts";

/** Which spans are counted, and how many operations are told at most. */
export interface RedQuery {
  /** Spans that started in so many seconds before `now`. */
  readonly seconds: number;
  readonly service?: string | undefined;
  readonly limit: number;
}

/** Buckets per doubling of the duration: neighbours are 4.4 % apart. */
const perDoubling = 16;
const buckets = 54 * perDoubling;

interface Tally {
  count: number;
  errors: number;
  readonly durations: Uint32Array;
}

const serverKind = 2;
const consumerKind = 5;
const errorStatus = 2;

/**
 * Rate, errors and durations straight from the columns, busiest first. `now`: ms since the epoch.
 * A service's own row counts what it was asked to do: its server and consumer spans and those
 * without a parent, not the steps it took for them.
 */
export function redMetrics(index: StoreIndex, query: RedQuery, now: number): RedBody {
  const { seconds, limit } = query;
  const { high, low } = index.base();
  const sinceNs = now * 1e6 - (high * 0x1_0000_0000 + low) - seconds * 1e9;
  const only = query.service === undefined ? undefined : (index.services.find(query.service) ?? -1);
  const operations = new Map<number, Tally>();
  const services = new Map<number, Tally>();
  for (let row = index.spans.first(); row <= index.spans.last(); row++) {
    const columns = index.spans.columnsOf(row);
    const at = row & rowMask;
    if ((columns.start[at] as number) < sinceNs) continue;
    const service = columns.service[at] as number;
    if (only !== undefined && service !== only) continue;
    const kind = columns.kind[at] as number;
    const failed = columns.status[at] === errorStatus;
    const bucket = bucketOf(columns.duration[at] as number);
    const operation =
      (service * kinds.length + kind) * 0x1_0000_0000 + (columns.name[at] as number);
    add(operations, operation, failed, bucket);
    const isEntry =
      kind === serverKind ||
      kind === consumerKind ||
      (columns.parentId[at * 2] === 0 && columns.parentId[at * 2 + 1] === 0);
    if (isEntry) add(services, service, failed, bucket);
  }
  return {
    seconds,
    services: [...services]
      .map(([service, tally]) => ({
        ...{ service: index.services.text(service) ?? "", name: "", kind: kinds[0] },
        ...measures(tally, seconds),
      }))
      .sort(byCount),
    operations: [...operations]
      .map(([key, tally]) => {
        const source = Math.floor(key / 0x1_0000_0000);
        return {
          service: index.services.text(Math.floor(source / kinds.length)) ?? "",
          name: index.names.text(key % 0x1_0000_0000) ?? "(other)",
          kind: kinds[source % kinds.length] ?? kinds[0],
          ...measures(tally, seconds),
        };
      })
      .sort(byCount)
      .slice(0, limit),
  };
}

const byCount = (a: RedRow, b: RedRow): number => b.count - a.count;

function add(tallies: Map<number, Tally>, key: number, failed: boolean, bucket: number): void {
  let tally = tallies.get(key);
  if (tally === undefined) {
    tally = { count: 0, errors: 0, durations: new Uint32Array(buckets) };
    tallies.set(key, tally);
  }
  tally.count++;
  if (failed) tally.errors++;
  tally.durations[bucket] = (tally.durations[bucket] as number) + 1;
}

const measures = ({ count, errors, durations }: Tally, seconds: number) => ({
  count,
  rate: count / seconds,
  errors,
  p50Ms: quantile(durations, count, 0.5),
  p95Ms: quantile(durations, count, 0.95),
  p99Ms: quantile(durations, count, 0.99),
});

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
