import type { Row } from "../../trace/layout.ts";
import type { Window } from "../../trace/time-scale.ts";
import type { TraceSpan } from "../../trace/trace.ts";

/** Spans of a group that begin closer together than this share of the window are drawn as one. */
const tellApart = 1 / 250;

/** Milliseconds that a row's span took; those of a group together, 0 for a parent that never came. */
export function durationMsOf(row: Row): number {
  switch (row.kind) {
    case "span":
      return lengthOf(row.span);
    case "group":
      return row.members.reduce((sum, member) => sum + lengthOf(member), 0);
    case "missing":
      return 0;
  }
}

/** What to draw of a row: its span, or the comb of a group with as many teeth as can be told apart. */
export function barsOf(row: Row, window: Window): readonly Window[] {
  switch (row.kind) {
    case "span":
      return [stretchOf(row.span)];
    case "group":
      return merged(row.members, (window.toMs - window.fromMs) * tellApart);
    case "missing":
      return [];
  }
}

const lengthOf = ({ startMs, endMs }: TraceSpan): number => endMs - startMs;
const stretchOf = ({ startMs, endMs }: TraceSpan): Window => ({ fromMs: startMs, toMs: endMs });

function merged(spans: readonly TraceSpan[], stepMs: number): readonly Window[] {
  const bars: { fromMs: number; toMs: number }[] = [];
  for (const { startMs, endMs } of spans) {
    const last = bars.at(-1);
    if (last === undefined || startMs - last.fromMs > stepMs) {
      bars.push({ fromMs: startMs, toMs: endMs });
    } else last.toMs = Math.max(last.toMs, endMs);
  }
  return bars;
}
