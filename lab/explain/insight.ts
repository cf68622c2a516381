import type { Insight } from "#lab/api/insights.ts";
import type { PreparedSpan } from "#lab/judge/span-tree.ts";

/** Looks for one pattern in a run's spans. Pure: the same spans give the same insights. */
export type Rule = (spans: readonly PreparedSpan[]) => readonly Insight[];

/** Spans an insight names at most: enough to look at, and small enough to send. */
const shownSpans = 50;

export const refsOf = (spans: readonly PreparedSpan[]): Insight["spans"] =>
  spans.slice(0, shownSpans).map(({ traceId, spanId }) => ({ traceId, spanId }));

/** Time from start to end covered by at least one of the spans, in milliseconds. */
export function coveredMs(spans: readonly PreparedSpan[]): number {
  let covered = 0;
  let reached = -Infinity;
  for (const { startNs, endNs } of spans.toSorted((a, b) => a.startNs - b.startNs)) {
    covered += Math.max(0, endNs - Math.max(startNs, reached));
    reached = Math.max(reached, endNs);
  }
  return covered / 1e6;
}

/** Milliseconds as a person reads them: three digits that matter. */
export const milliseconds = (ms: number): string =>
  `${ms >= 100 ? Math.round(ms) : Number(ms.toPrecision(2))} ms`;
