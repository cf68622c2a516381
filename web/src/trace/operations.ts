import { isLayer, layout } from "./layout.ts";
import type { Trace } from "./trace.ts";

/** What the spans of one place in a trace's tree come to. */
export interface Operation {
  readonly count: number;
  readonly failed: number;
  /** Their durations added up. */
  readonly totalMs: number;
}

/** `slower` and `faster` by more than a fifth and a millisecond; below that it is noise. */
export type Change = "added" | "removed" | "more" | "fewer" | "slower" | "faster" | "same";

/** The same place in two traces' trees; null where it does not occur. */
export interface OperationPair {
  readonly name: string;
  readonly hue: string;
  /** 0 for roots. */
  readonly depth: number;
  readonly left: Operation | null;
  readonly right: Operation | null;
  readonly change: Change;
}

interface Node {
  readonly name: string;
  readonly hue: string;
  readonly sides: [Operation | null, Operation | null];
  readonly children: Map<string, Node>;
}

/**
 * Two traces laid over each other: spans meet whose colour key, name and path of parents are equal,
 * and siblings that are alike count as one. Layers of a framework are left out.
 */
export function pairOperations(
  left: Pick<Trace, "spans"> | undefined,
  right: Pick<Trace, "spans"> | undefined,
): readonly OperationPair[] {
  const top: Node = { name: "", hue: "", sides: [null, null], children: new Map() };
  add(top, 0, left?.spans ?? []);
  add(top, 1, right?.spans ?? []);
  return list(top);
}

function add(top: Node, side: 0 | 1, spans: Trace["spans"]): void {
  const rows = layout({ id: "", startUnixNano: 0n, durationMs: 0, hues: [], spans });
  const nodes: Node[] = [];
  for (const row of rows) {
    const parent = nodes[row.parent] ?? top;
    if (isLayer(row)) {
      nodes.push(parent);
      continue;
    }
    const [name, hue] = row.kind === "span" ? [row.span.name, row.span.hue] : ["(missing)", ""];
    const key = `${hue} ${name}`;
    const node: Node = parent.children.get(key) ?? {
      ...{ name, hue, sides: [null, null], children: new Map() },
    };
    parent.children.set(key, node);
    nodes.push(node);
    const before = node.sides[side] ?? { count: 0, failed: 0, totalMs: 0 };
    const span = row.kind === "span" ? row.span : undefined;
    node.sides[side] = {
      count: before.count + 1,
      failed: before.failed + Number(span?.failed ?? false),
      totalMs: before.totalMs + (span === undefined ? 0 : span.endMs - span.startMs),
    };
  }
}

/** Depth-first without recursion: a trace may be as deep as it has spans. */
function list(top: Node): OperationPair[] {
  const pairs: OperationPair[] = [];
  const below = (node: Node, depth: number) =>
    [...node.children.values()].reverse().map((child) => ({ node: child, depth }));
  const stack = below(top, 0);
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { node, depth } = next;
    const [left, right] = node.sides;
    const { name, hue } = node;
    pairs.push({ name, hue, depth, left, right, change: changeOf(left, right) });
    stack.push(...below(node, depth + 1));
  }
  return pairs;
}

function changeOf(left: Operation | null, right: Operation | null): Change {
  if (left === null) return "added";
  if (right === null) return "removed";
  if (left.count !== right.count) return left.count < right.count ? "more" : "fewer";
  const by = right.totalMs - left.totalMs;
  if (Math.abs(by) < Math.max(1, 0.2 * left.totalMs)) return "same";
  return by > 0 ? "slower" : "faster";
}
