import type { Row } from "./layout.ts";

/** A stretch of one row's span that the trace's end waited for. */
export interface CriticalStretch {
  readonly row: number;
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * What the end of the longest root waited for: walks back from its end over the child that finished
 * last before the moment looked at, and lower in each (the way Jaeger draws it).
 */
export function criticalPath(rows: readonly Row[]): readonly CriticalStretch[] {
  const root = longestRoot(rows);
  if (root === undefined) return [];
  const stretches: CriticalStretch[] = [];
  const stack: { row: number; untilMs: number }[] = [
    { row: root, untilMs: Number.POSITIVE_INFINITY },
  ];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const row = rows[next.row];
    if (row?.kind !== "span") continue;
    let cursor = Math.min(row.span.endMs, next.untilMs);
    for (const child of childrenByEnd(rows, next.row)) {
      const { span } = child;
      if (span.startMs >= cursor || span.startMs < row.span.startMs) continue;
      const childEnd = Math.min(span.endMs, cursor);
      if (childEnd < cursor) stretches.push({ row: next.row, fromMs: childEnd, toMs: cursor });
      stack.push({ row: child.index, untilMs: childEnd });
      cursor = span.startMs;
    }
    if (cursor > row.span.startMs) {
      stretches.push({ row: next.row, fromMs: row.span.startMs, toMs: cursor });
    }
  }
  return stretches.sort((a, b) => a.fromMs - b.fromMs);
}

function longestRoot(rows: readonly Row[]): number | undefined {
  let best: number | undefined;
  let longest = -1;
  for (let at = 0; at < rows.length; at += rows[at]?.size ?? 1) {
    const row = rows[at];
    const length = row?.kind === "span" ? row.span.endMs - row.span.startMs : -1;
    if (length > longest) {
      longest = length;
      best = at;
    }
  }
  return best;
}

function childrenByEnd(rows: readonly Row[], parent: number) {
  const children = [];
  const end = parent + (rows[parent]?.size ?? 1);
  for (let at = parent + 1; at < end; ) {
    const row = rows[at];
    if (row?.kind === "span") children.push({ index: at, span: row.span });
    // The children of a group are those of the parent.
    at += row?.kind === "group" ? 1 : (row?.size ?? 1);
  }
  return children.sort((a, b) => b.span.endMs - a.span.endMs);
}
