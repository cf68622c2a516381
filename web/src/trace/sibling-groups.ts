import type { GroupRow, Row, SpanRow } from "./layout.ts";

/** From so many equal siblings on, one row stands for all of them. */
export const groupedFrom = 5;

/**
 * The rows with each run of equal siblings put below a row of its own. Equal are neighbours of one
 * service, kind and name that have no children and all failed or all did not: what differs in any
 * of it keeps its own row, in its place.
 */
export function groupEqualSiblings(rows: readonly Row[]): readonly Row[] {
  const runs = equalRuns(rows);
  if (runs.length === 0) return rows;
  const startsAt = new Map(runs.map((run) => [run.from, run]));
  const grouped: Row[] = [];
  /** From an index of `rows` to that of `grouped`. */
  const moved = new Int32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at] as Row;
    const parent = row.parent === -1 ? -1 : (moved[row.parent] ?? -1);
    const run = startsAt.get(at);
    if (run === undefined) {
      moved[at] = grouped.push({ ...row, parent }) - 1;
      continue;
    }
    const members = rows.slice(run.from, run.to) as SpanRow[];
    const group = grouped.push(rowOf(members, parent)) - 1;
    for (const [nth, member] of members.entries()) {
      moved[at + nth] = grouped.push({ ...member, parent: group }) - 1;
    }
    at = run.to - 1;
  }
  return withSizes(grouped);
}

/** Half-open stretches of rows that are equal siblings. */
function equalRuns(
  rows: readonly Row[],
): readonly { readonly from: number; readonly to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (let from = 0; from < rows.length; ) {
    const first = rows[from] as Row;
    let to = from + 1;
    // Siblings without children lie side by side in the order of display.
    while (to < rows.length && areEqual(first, rows[to] as Row)) to++;
    if (to - from >= groupedFrom) runs.push({ from, to });
    from = to;
  }
  return runs;
}

const areEqual = (one: Row, other: Row): boolean =>
  one.kind === "span" &&
  other.kind === "span" &&
  one.parent !== -1 &&
  one.parent === other.parent &&
  one.childCount === 0 &&
  other.childCount === 0 &&
  one.span.name === other.span.name &&
  one.span.hue === other.span.hue &&
  one.span.service === other.span.service &&
  one.span.kind === other.span.kind &&
  one.span.failed === other.span.failed;

function rowOf(members: readonly SpanRow[], parent: number): GroupRow {
  const [first] = members as readonly [SpanRow];
  return {
    kind: "group",
    id: `group-${first.id}`,
    depth: first.depth,
    parent,
    childCount: members.length,
    size: members.length + 1,
    fromMs: first.fromMs,
    toMs: Math.max(...members.map(({ toMs }) => toMs)),
    failedBelow: first.span.failed,
    members: members.map(({ span }) => span),
  };
}

/** Subtrees are larger by the groups in them. */
function withSizes(rows: readonly Row[]): readonly Row[] {
  const sizes = new Int32Array(rows.length);
  for (let at = rows.length - 1; at >= 0; at--) {
    const size = (sizes[at] ?? 0) + 1;
    sizes[at] = size;
    const { parent } = rows[at] as Row;
    if (parent !== -1) sizes[parent] = (sizes[parent] ?? 0) + size;
  }
  return rows.map((row, at) => {
    const size = sizes[at] ?? row.size;
    return size === row.size ? row : { ...row, size };
  });
}
