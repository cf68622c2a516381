import type { Trace, TraceSpan } from "./trace.ts";

/** All spans of one name and one colour key in a trace. */
export interface Operation {
  readonly name: string;
  readonly hue: string;
  readonly count: number;
  readonly failed: number;
  /** Their durations added up. */
  readonly totalMs: number;
}

/** The same operation in two traces; null where it does not occur. */
export interface OperationPair {
  readonly key: string;
  readonly name: string;
  readonly hue: string;
  readonly left: Operation | null;
  readonly right: Operation | null;
}

const keyOf = ({ hue, name }: Pick<TraceSpan, "hue" | "name">): string => `${hue}\n${name}`;

export function operationsOf(trace: Pick<Trace, "spans"> | undefined): Map<string, Operation> {
  const operations = new Map<string, Operation>();
  for (const [key, spans] of Map.groupBy(trace?.spans ?? [], keyOf)) {
    const [{ name, hue }] = spans as [TraceSpan];
    operations.set(key, {
      name,
      hue,
      count: spans.length,
      failed: spans.filter(({ failed }) => failed).length,
      totalMs: spans.reduce((sum, { startMs, endMs }) => sum + (endMs - startMs), 0),
    });
  }
  return operations;
}

/** Operations of both traces side by side: those whose number differs most come first. */
export function pairOperations(
  left: ReadonlyMap<string, Operation>,
  right: ReadonlyMap<string, Operation>,
): readonly OperationPair[] {
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((key) => {
      const [a, b] = [left.get(key) ?? null, right.get(key) ?? null];
      const { name, hue } = (a ?? b) as Operation;
      return { key, name, hue, left: a, right: b };
    })
    .sort((a, b) => differenceOf(b) - differenceOf(a) || (a.key < b.key ? -1 : 1));
}

const differenceOf = ({ left, right }: OperationPair): number =>
  Math.abs((left?.count ?? 0) - (right?.count ?? 0)) +
  Math.abs((left?.failed ?? 0) - (right?.failed ?? 0));
