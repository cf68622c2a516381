import type { PreparedSpan } from "#lab/judge/span-tree.ts";
import { milliseconds, type Rule, refsOf } from "./insight.ts";

const leastMs = 20;
const leastShare = 0.3;
const shownGaps = 3;

interface Gap {
  readonly parent: PreparedSpan;
  readonly before: PreparedSpan;
  readonly after: PreparedSpan;
  readonly ms: number;
}

/** Time between two children in which nothing was recorded, though something must have happened. */
export const gaps: Rule = (spans) =>
  spans
    .flatMap(gapsOf)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, shownGaps)
    .map(({ parent, before, after, ms }) => ({
      rule: "gap" as const,
      title: `${milliseconds(ms)} of ${parent.span.name} without any span`,
      detail: `Between ${before.span.name} and ${after.span.name} nothing was recorded. Either the process was busy with its own work, a blocked event loop shows like this, or it waited for something that is not instrumented.`,
      costMs: ms,
      spans: refsOf([parent, before, after]),
    }));

/** Only in spans of one process: time on the way between two is the network's. */
function gapsOf(parent: PreparedSpan): Gap[] {
  if (parent.kind === "client" || parent.children.length < 2) return [];
  const found: Gap[] = [];
  let last = parent.children[0] as PreparedSpan;
  for (const next of parent.children) {
    const ms = (next.startNs - last.endNs) / 1e6;
    if (ms >= leastMs && ms >= leastShare * parent.durationMs && next.service === parent.service) {
      found.push({ parent, before: last, after: next, ms });
    }
    if (next.endNs > last.endNs) last = next;
  }
  return found;
}
