import { rowMask } from "./chunked-table.ts";
import { columnFilter } from "./column-filter.ts";
import { type StoredSpan, traceReader } from "./query-span.ts";
import type { StoreIndex } from "./store.ts";
import { checkTraceql } from "./traceql/check.ts";
import { evaluateTraceql } from "./traceql/evaluate.ts";
import { isScoped, type Matcher } from "./traceql/matchers.ts";
import { parseTraceql } from "./traceql/parser.ts";
import type { Pipeline } from "./traceql/syntax.ts";

/** Which spans are asked for their attributes. */
export interface TagQuery {
  /** All of them have to hold; as in Tempo, none counts where a field comes without its scope. */
  readonly matchers: readonly Matcher[];
  /** Only spans that touch this time; seconds since the epoch. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}

export const everySpan: TagQuery = { matchers: [] };

/** How many of the newest spans that may be meant are looked at. */
const sampledSpans = 5000;

/** The newest spans that are meant, newest first. Only as many are looked at as can be in a moment. */
export function* tagSpans(index: StoreIndex, query: TagQuery): Generator<StoredSpan> {
  const { spans } = index;
  const matchers = query.matchers.every(({ field }) => isScoped(field)) ? query.matchers : [];
  const pipeline = pipelineOf(matchers);
  const mayMatch = columnFilter(index, pipeline);
  const touches = timeFilter(index, query);
  const read = traceReader(index);
  let left = sampledSpans;
  for (let row = spans.last(); row >= spans.first() && left > 0; row--) {
    if (!mayMatch(row) || !touches(row)) continue;
    left--;
    const span = read.span(row);
    if (matchers.length === 0 || evaluateTraceql(pipeline, [span]).length > 0) yield span;
  }
}

function pipelineOf(matchers: readonly Matcher[]): Pipeline {
  const query = `{ ${matchers.map(({ text }) => text).join(" && ")} }`;
  const pipeline = parseTraceql(query);
  checkTraceql(query, pipeline);
  return pipeline;
}

function timeFilter(index: StoreIndex, { from, to }: TagQuery): (row: number) => boolean {
  if (from === undefined && to === undefined) return () => true;
  const { high, low } = index.base();
  const baseSeconds = (high * 0x1_0000_0000 + low) / 1e9;
  const least = ((from ?? 0) - baseSeconds) * 1e9;
  const most = to === undefined ? Number.POSITIVE_INFINITY : (to - baseSeconds) * 1e9;
  return (row) => {
    const columns = index.spans.columnsOf(row);
    const start = columns.start[row & rowMask] as number;
    return start <= most && start + (columns.duration[row & rowMask] as number) >= least;
  };
}
