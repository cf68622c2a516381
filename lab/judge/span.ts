import { describeComparison, describeSelector } from "#scenarios/describe.ts";
import type { SpanExpectation } from "#scenarios/expectation.ts";
import { attributeOf } from "./attribute-value.ts";
import { allOf, type Finding, type NearestMiss } from "./finding.ts";
import { meetsAll, nearestOf, shown } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { decide, type Growth, highest } from "./quantity.ts";
import { isOwn, missedSpan, selectSpans, spanPredicates, staysSelected } from "./selector.ts";
import type { PreparedSpan } from "./span-tree.ts";
import { spanQuery } from "./traceql.ts";

type Part = Omit<Finding, "query">;

/** Counts the spans that a selector means, and looks at each of them. */
export function judgeSpan(expectation: SpanExpectation, prepared: Prepared): Finding {
  const { select, every, distinct } = expectation;
  const selected = selectSpans(select, prepared);
  const growth = { settled: prepared.evidence.settled, grows: staysSelected(select) };
  const parts = [judgeCount(expectation, selected, prepared, growth)];
  if (every) parts.push(judgeEvery(every, selected, prepared, growth));
  if (distinct) parts.push(judgeDistinct(distinct, selected, growth));
  const verdict = allOf(parts.map((part) => part.verdict));
  const decisive = parts.find((part) => part.verdict === verdict) ?? parts[0];
  return {
    verdict,
    seen: parts.map((part) => part.seen).join("; "),
    nearest: verdict === "pass" ? null : (decisive?.nearest ?? null),
    query: { language: "traceql", text: spanQuery(prepared.evidence.runId, select) },
  };
}

const spans = (count: number): string => (count === 1 ? "1 span" : `${count} spans`);

function judgeCount(
  { select, count = { gte: 1 } }: SpanExpectation,
  selected: readonly PreparedSpan[],
  prepared: Prepared,
  growth: Growth,
): Part {
  const verdict = decide(count, selected.length, growth);
  const seen = `${spans(selected.length)} of ${prepared.spans.length}`;
  if (verdict === "pass") return { verdict, seen, nearest: null };
  const predicates = spanPredicates(select, prepared);
  // With too many, the first one too many is in the way; with too few, what nearly is one.
  const tooMany = selected.length > highest(count) || selected.length === prepared.spans.length;
  const chosen = new Set(selected);
  const nearest = tooMany
    ? (selected[Math.min(Math.max(0, Math.floor(highest(count))), selected.length - 1)] ??
      selected[0])
    : nearestOf(
        predicates,
        prepared.spans.filter((span) => !chosen.has(span)),
      );
  return { verdict, seen, nearest: nearest ? missedSpan(nearest, predicates) : null };
}

function judgeEvery(
  every: NonNullable<SpanExpectation["every"]>,
  selected: readonly PreparedSpan[],
  prepared: Prepared,
  { settled, grows }: Growth,
): Part {
  const predicates = spanPredicates(every, prepared);
  const exceptions = selected.filter((span) => !meetsAll(predicates, span));
  if (selected.length === 0) {
    const verdict = settled ? "fail" : "pending";
    return { verdict, seen: "none of them to look at", nearest: null };
  }
  const wrong = nearestOf(predicates, exceptions);
  if (!wrong) {
    const seen = `all of them ${describeSelector(every)}`;
    return { verdict: settled ? "pass" : "pending", seen, nearest: null };
  }
  return {
    verdict: settled || (grows && isOwn(every)) ? "fail" : "pending",
    seen: `${exceptions.length} of ${spans(selected.length)} not ${describeSelector(every)}`,
    nearest: missedSpan(wrong, predicates),
  };
}

function judgeDistinct(
  { attribute, count }: NonNullable<SpanExpectation["distinct"]>,
  selected: readonly PreparedSpan[],
  growth: Growth,
): Part {
  const values = new Map<string, PreparedSpan>();
  let without: PreparedSpan | undefined;
  for (const span of selected) {
    const value = attributeOf(span.span.attributes, attribute);
    if (value === undefined) without ??= span;
    else if (!values.has(JSON.stringify(value))) values.set(JSON.stringify(value), span);
  }
  const verdict = decide(count, values.size, growth);
  const first = [...values.keys()].slice(0, 3).map((value) => shown(value));
  const seen = `${values.size} distinct ${attribute}${first.length > 0 ? `: ${first.join(", ")}` : ""}`;
  const span = [...values.values()].at(-1) ?? without;
  if (verdict === "pass" || !span) return { verdict, seen, nearest: null };
  const nearest: NearestMiss = {
    ...missedSpan(span, []),
    ticks: [
      {
        predicate: `distinct ${attribute}`,
        expected: describeComparison(count),
        seen: shown(attributeOf(span.span.attributes, attribute)),
        ok: false,
      },
    ],
  };
  return { verdict, seen, nearest };
}
