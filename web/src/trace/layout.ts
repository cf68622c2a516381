import type { Trace, TraceSpan } from "./trace.ts";

interface Placed {
  /** Span id, or the id of the parent that never came. Unique in a layout. */
  readonly id: string;
  /** 0 for roots. */
  readonly depth: number;
  /** Index of the parent's row; -1 for roots. */
  readonly parent: number;
  readonly childCount: number;
  /** Rows of the subtree, itself included: the next sibling is at `index + size`. */
  readonly size: number;
  /** Extent of the whole subtree, for a parent that is collapsed. */
  readonly fromMs: number;
  readonly toMs: number;
  /** A descendant failed. */
  readonly failedBelow: boolean;
}
export interface SpanRow extends Placed {
  readonly kind: "span";
  readonly span: TraceSpan;
  /** Milliseconds the span begins before its parent does: clocks differ, or the parent is wrong. 0 if it does not. */
  readonly earlyMs: number;
}
/** Stands for a parent that the trace names and nobody sent (yet). */
export interface MissingRow extends Placed {
  readonly kind: "missing";
}
/** Stands for equal siblings, which are its children. */
export interface GroupRow extends Placed {
  readonly kind: "group";
  /** By start, at least two. */
  readonly members: readonly TraceSpan[];
}
/** One line of the waterfall's tree, in display order. */
export type Row = SpanRow | MissingRow | GroupRow;

/** The span of a row, for a group its first; undefined for a parent that never came. */
export function spanOf(row: Row): TraceSpan | undefined {
  switch (row.kind) {
    case "span":
      return row.span;
    case "group":
      return row.members[0];
    case "missing":
      return undefined;
  }
}

/** Browser and server clocks agree better than this on one machine; below it is rounding. */
const skewToleranceMs = 1;

interface Node {
  readonly id: string;
  readonly span: TraceSpan | null;
  readonly children: Node[];
}

/**
 * The tree of a trace as rows, parents before children, siblings by start. Roots may be many;
 * spans whose parent is absent hang under a row that says so; cycles of parents are cut.
 */
export function layout({ spans }: Trace): readonly Row[] {
  const nodes = new Map<string, Node>(
    spans.map((span) => [span.id, { id: span.id, span, children: [] }]),
  );
  const roots: Node[] = [];
  for (const span of spans) {
    const node = nodes.get(span.id) as Node;
    if (span.parentId === null || span.parentId === span.id) {
      roots.push(node);
      continue;
    }
    let parent = nodes.get(span.parentId);
    if (parent === undefined) {
      parent = { id: span.parentId, span: null, children: [] };
      nodes.set(parent.id, parent);
      roots.push(parent);
    }
    parent.children.push(node);
  }
  for (const { children } of nodes.values()) children.sort(byStart);
  roots.sort(byStart);
  const rows = walk(roots);
  if (rows.length < nodes.size) rows.push(...walk(cutCycles(nodes, rows), rows.length));
  return rows;
}

const startOf = ({ span, children }: Node): number =>
  span?.startMs ?? children[0]?.span?.startMs ?? 0;
const byStart = (a: Node, b: Node): number => startOf(a) - startOf(b);

type Draft =
  | { -readonly [K in keyof SpanRow]: SpanRow[K] }
  | { -readonly [K in keyof MissingRow]: MissingRow[K] };

/** Depth-first without recursion: a trace may be as deep as it has spans. `base` is the index of the first row. */
function walk(roots: readonly Node[], base = 0): Draft[] {
  const rows: Draft[] = [];
  const stack: { node: Node; parent: number; depth: number }[] = [];
  const push = (nodes: readonly Node[], parent: number, depth: number) => {
    for (let at = nodes.length - 1; at >= 0; at--) {
      stack.push({ node: nodes[at] as Node, parent, depth });
    }
  };
  push(roots, -1, 0);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, parent, depth } = next;
    const index = base + rows.length;
    rows.push(draftOf(node, parent, depth, rows[parent - base]));
    push(node.children, index, depth + 1);
  }
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at] as Draft;
    const parent = rows[row.parent - base];
    if (parent === undefined) continue;
    parent.size += row.size;
    parent.fromMs = Math.min(parent.fromMs, row.fromMs);
    parent.toMs = Math.max(parent.toMs, row.toMs);
    parent.failedBelow ||= row.failedBelow || (row.kind === "span" && row.span.failed);
  }
  return rows;
}

function draftOf(node: Node, parent: number, depth: number, above: Draft | undefined): Draft {
  const placed = {
    id: node.id,
    depth,
    parent,
    childCount: node.children.length,
    size: 1,
    failedBelow: false,
  };
  const { span } = node;
  if (span === null) {
    return { kind: "missing", ...placed, fromMs: Number.POSITIVE_INFINITY, toMs: 0 };
  }
  const early = above?.kind === "span" ? above.span.startMs - span.startMs : 0;
  return {
    kind: "span",
    ...placed,
    span,
    fromMs: span.startMs,
    toMs: span.endMs,
    earlyMs: early > skewToleranceMs ? early : 0,
  };
}

/** One node of each cycle, taken out of its parent so that it can stand as a root. */
function cutCycles(nodes: ReadonlyMap<string, Node>, placed: readonly Row[]): Node[] {
  const reached = new Set(placed.map(({ id }) => id));
  const cut: Node[] = [];
  for (const node of nodes.values()) {
    if (reached.has(node.id)) continue;
    const parent = nodes.get(node.span?.parentId ?? "");
    parent?.children.splice(parent.children.indexOf(node), 1);
    cut.push(node);
    const stack = [node];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      if (reached.has(next.id)) continue;
      reached.add(next.id);
      stack.push(...next.children);
    }
  }
  return cut.sort(byStart);
}

/**
 * A layer of the web framework, as the instrumentations of Koa, Express and Connect name it: it wraps
 * what comes after it and says little by itself. One that failed, or in which the time ends, is none.
 */
export const isLayer = (row: Row): boolean =>
  row.kind === "span" &&
  row.childCount > 0 &&
  !row.span.failed &&
  row.span.kind === "internal" &&
  /^(?:middleware|router|request handler) - /.test(row.span.name);

/** How many layers stand above each row: its indentation is less by so many when they are hidden. */
export function layersAbove(rows: readonly Row[]): Uint32Array {
  const above = new Uint32Array(rows.length);
  for (const [index, { parent }] of rows.entries()) {
    const row = rows[parent];
    if (row !== undefined) above[index] = (above[parent] ?? 0) + Number(isLayer(row));
  }
  return above;
}

/** Indices of the rows to show: all but those below a closed one, and with `hideLayers` but those. */
export function shownRows(
  rows: readonly Row[],
  isClosed: (row: Row) => boolean,
  hideLayers = false,
): readonly number[] {
  const shown: number[] = [];
  for (let at = 0; at < rows.length; ) {
    const row = rows[at] as Row;
    const hidden = hideLayers && isLayer(row);
    if (!hidden) shown.push(at);
    at += !hidden && isClosed(row) ? row.size : 1;
  }
  return shown;
}

/** Every row with children at `depth` or deeper. */
export const parentsFrom = (rows: readonly Row[], depth: number): readonly Row[] =>
  rows.filter((row) => row.childCount > 0 && row.depth >= depth);
