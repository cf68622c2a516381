import type { TraceSpan } from "./trace.ts";

/** Milliseconds of a span that none of its children cover; overlapping children count once. */
export function selfTimeMs(span: TraceSpan, spans: readonly TraceSpan[]): number {
  const children = spans
    .filter(({ parentId }) => parentId === span.id)
    .sort((a, b) => a.startMs - b.startMs);
  let covered = 0;
  let until = span.startMs;
  for (const { startMs, endMs } of children) {
    const from = Math.max(startMs, until);
    const to = Math.min(endMs, span.endMs);
    if (to > from) covered += to - from;
    until = Math.max(until, to);
  }
  return span.endMs - span.startMs - covered;
}
