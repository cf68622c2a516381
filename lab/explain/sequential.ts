import type { PreparedSpan } from "#lab/judge/span-tree.ts";
import { coveredMs, milliseconds, type Rule, refsOf } from "./insight.ts";

const leastMs = 5;
const leastSavedMs = 10;
const mostRepeats = 5;

/** Different calls under one span, each begun when the one before had ended. */
export const sequentialWork: Rule = (spans) =>
  spans.flatMap((parent) => {
    if (isTransaction(parent)) return [];
    const calls = parent.children.filter((it) => it.kind === "client" && it.durationMs >= leastMs);
    const row = inARow(withoutRepeats(calls));
    const names = new Set(row.map(({ span }) => span.name));
    const spentMs = coveredMs(row);
    const savedMs = spentMs - Math.max(0, ...row.map(({ durationMs }) => durationMs));
    if (names.size < 2 || savedMs < leastSavedMs) return [];
    return [
      {
        rule: "sequential-work" as const,
        title: `${row.length} calls of ${parent.span.name} wait for each other`,
        detail: `${[...names].slice(0, 4).join(", ")} take ${milliseconds(spentMs)} one after another. Those that do not need each other's results could run side by side and save up to ${milliseconds(savedMs)}.`,
        costMs: savedMs,
        spans: refsOf(row),
      },
    ];
  });

/** Statements of a transaction share one connection: they cannot run side by side. */
const isTransaction = ({ span, children }: PreparedSpan): boolean =>
  /^BEGIN\b/i.test(span.name) || children.some((child) => /^BEGIN\b/i.test(child.span.name));

/** A call repeated many times is a loop, and a finding of its own. */
function withoutRepeats(calls: readonly PreparedSpan[]): readonly PreparedSpan[] {
  const byName = Map.groupBy(calls, ({ span }) => span.name);
  return calls.filter(({ span }) => (byName.get(span.name)?.length ?? 0) < mostRepeats);
}

/** The calls that no other one overlaps. */
const inARow = (calls: readonly PreparedSpan[]): readonly PreparedSpan[] =>
  calls.filter((call) => calls.every((other) => other === call || areApart(call, other)));

/** A span's start is stamped with a clock that counts whole milliseconds; its end is measured from there. */
const clockStepNs = 1_000_000;

/**
 * One after the other, give or take what clocks are off: they may seem to overlap by a step of the
 * clock. A loop of many calls is told by its whole length, which such steps do not spoil.
 */
function areApart(a: PreparedSpan, b: PreparedSpan): boolean {
  const [first, second] = a.startNs <= b.startNs ? [a, b] : [b, a];
  const total = a.durationMs + b.durationMs;
  if (coveredMs([first, second]) >= 0.9 * total) return true;
  const wholeMs = (Math.max(a.endNs, b.endNs) - first.startNs) / 1e6;
  return first.endNs - second.startNs <= clockStepNs && wholeMs >= 0.8 * total;
}
