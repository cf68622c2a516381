import { describeSelector } from "#scenarios/describe.ts";
import type { OrderExpectation } from "#scenarios/expectation.ts";
import type { Finding } from "./finding.ts";
import type { Prepared } from "./prepare.ts";
import { missedSpan, selectSpans, spanPredicates } from "./selector.ts";
import type { PreparedSpan } from "./span-tree.ts";
import { spanQuery } from "./traceql.ts";

/** Holds when every first span stands in the relation to at least one second span, and there is a first. */
export function judgeOrder(expectation: OrderExpectation, prepared: Prepared): Finding {
  const { first, second, relation } = expectation;
  const { settled, runId } = prepared.evidence;
  const firsts = selectSpans(first, prepared);
  const seconds = selectSpans(second, prepared);
  const related = relatedTo(relation, seconds);
  const wrong = firsts.filter((span) => !related(span));
  const holds = firsts.length > 0 && wrong.length === 0;
  const query = { language: "traceql", text: spanQuery(runId, first, second) } as const;
  const counts = `${firsts.length} × ${describeSelector(first)}, ${seconds.length} × ${describeSelector(second)}`;
  // A second span may still arrive that a first one lacks, and a first one that has none.
  const verdict = settled ? (holds ? "pass" : "fail") : "pending";
  if (holds) return { verdict, seen: counts, nearest: null, query };
  const [culprit] = wrong;
  if (!culprit) {
    const [present] = seconds;
    const nearest = present ? missedSpan(present, spanPredicates(second, prepared)) : null;
    return { verdict, seen: counts, nearest, query };
  }
  const opposite = opponent(relation, culprit, seconds);
  return {
    verdict,
    seen: `${counts}; ${wrong.length} of the first out of order`,
    nearest: {
      ...missedSpan(culprit, []),
      ticks: [
        {
          predicate: relation,
          expected: describeSelector(second),
          seen: opposite ? apart(culprit, opposite) : "no second span",
          ok: false,
        },
      ],
    },
    query,
  };
}

/** The start and end of a span as seen from another one. */
const apart = (span: PreparedSpan, from: PreparedSpan): string => {
  const ms = (ns: number): string => `${ns >= 0 ? "+" : ""}${(ns / 1e6).toFixed(1)} ms`;
  return `starts ${ms(span.startNs - from.startNs)} from its start, ends ${ms(span.startNs - from.endNs)} from its end to start and ${ms(span.endNs - from.endNs)} from end to end`;
};

function opponent(
  relation: OrderExpectation["relation"],
  span: PreparedSpan,
  seconds: readonly PreparedSpan[],
): PreparedSpan | undefined {
  if (relation === "ends-after-parent") return span.parent ?? undefined;
  const others = seconds.filter((second) => second !== span);
  return relation === "before" ? others.at(-1) : others[0];
}

type Related = (first: PreparedSpan) => boolean;

function relatedTo(
  relation: OrderExpectation["relation"],
  seconds: readonly PreparedSpan[],
): Related {
  switch (relation) {
    case "before": {
      const latest = seconds.slice(-2);
      return (first) => latest.some((it) => it !== first && it.startNs >= first.endNs);
    }
    case "overlaps": {
      const reaching = furthestReaching(seconds);
      return (first) =>
        reaching((second) => second.startNs < first.endNs).some(
          (it) => it !== first && it.endNs > first.startNs,
        );
    }
    case "within": {
      const reaching = furthestReaching(seconds);
      return (first) =>
        reaching((second) => second.startNs <= first.startNs).some(
          (it) => it !== first && it.endNs >= first.endNs,
        );
    }
    case "ends-after-parent": {
      const parents = new Set(seconds);
      return ({ parent, endNs }) => parent !== null && parents.has(parent) && endNs > parent.endNs;
    }
  }
}

/**
 * Answers, among the spans that start early enough, with the two that end last: two, because the
 * span that asks may be one of them. `seconds` are in order of start. Keeps thousands of spans
 * against thousands quick.
 */
function furthestReaching(
  seconds: readonly PreparedSpan[],
): (startsEarly: (span: PreparedSpan) => boolean) => readonly PreparedSpan[] {
  const upTo: (readonly PreparedSpan[])[] = [[]];
  for (const second of seconds) {
    const best = [...(upTo.at(-1) ?? []), second].sort((a, b) => b.endNs - a.endNs).slice(0, 2);
    upTo.push(best);
  }
  return (startsEarly) => {
    let low = 0;
    let high = seconds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const second = seconds[middle];
      if (second && startsEarly(second)) low = middle + 1;
      else high = middle;
    }
    return upTo[low] ?? [];
  };
}
