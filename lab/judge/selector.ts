import { describeSelector } from "#scenarios/describe.ts";
import type { Comparison, SpanSelector } from "#scenarios/span-selector.ts";
import { attributeOf } from "./attribute-value.ts";
import { meets } from "./compare.ts";
import type { NearestMiss } from "./finding.ts";
import {
  attributePredicates,
  meetsAll,
  type Predicate,
  shown,
  ticksOf,
  valuePredicate,
} from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { type PreparedSpan, selfTimeMs } from "./span-tree.ts";

type SpanPredicate = Predicate<PreparedSpan>;

/** Every span that a selector means, by time. */
export function selectSpans(selector: SpanSelector, prepared: Prepared): readonly PreparedSpan[] {
  const predicates = spanPredicates(selector, prepared);
  return prepared.spans.filter((span) => meetsAll(predicates, span));
}

/** A selector's conditions, cheap ones first; spans it relates to are looked up once, here. */
export function spanPredicates(
  selector: SpanSelector,
  prepared: Prepared,
): readonly SpanPredicate[] {
  return [...ownPredicates(selector), ...relationPredicates(selector, prepared)];
}

function ownPredicates(selector: SpanSelector): SpanPredicate[] {
  const { name, service, kind, status, attributes, resource, durationMs, exception } = selector;
  const predicates: SpanPredicate[] = [];
  if (name !== undefined) predicates.push(valuePredicate("name", name, (it) => it.span.name, 3));
  if (service !== undefined)
    predicates.push(valuePredicate("service", service, (it) => it.service));
  if (kind !== undefined) predicates.push(valuePredicate("kind", kind, (it) => it.kind));
  if (status !== undefined) predicates.push(valuePredicate("status", status, (it) => it.status));
  if (attributes !== undefined) {
    predicates.push(
      ...attributePredicates("attributes", attributes, (it: PreparedSpan, key) =>
        attributeOf(it.span.attributes, key),
      ),
    );
  }
  if (resource !== undefined) {
    predicates.push(
      ...attributePredicates("resource", resource, (it: PreparedSpan, key) =>
        attributeOf(it.resource, key),
      ),
    );
  }
  if (durationMs !== undefined) {
    predicates.push(valuePredicate("durationMs", durationMs, (it) => it.durationMs));
  }
  if (selector.selfTimeMs !== undefined) {
    predicates.push(valuePredicate("selfTimeMs", selector.selfTimeMs, selfTimeMs));
  }
  if (exception !== undefined) predicates.push(exceptionPredicate(exception));
  return predicates;
}

function exceptionPredicate(wanted: NonNullable<SpanSelector["exception"]>): SpanPredicate {
  const { type, message } = wanted;
  return {
    name: "exception",
    expected: describeSelector({ exception: wanted }),
    weight: 1,
    test: ({ exceptions }) =>
      exceptions.some(
        (exception) =>
          (type === undefined || meets(type, exception.type ?? undefined)) &&
          (message === undefined || meets(message, exception.message ?? undefined)),
      ),
    seen: ({ exceptions }) =>
      exceptions.length === 0
        ? "no exception"
        : shown(exceptions.map(({ type: seen, message: said }) => `${seen}: ${said}`).join(", ")),
  };
}

function relationPredicates(selector: SpanSelector, prepared: Prepared): SpanPredicate[] {
  const { childOf, descendantOf, linksTo } = selector;
  const predicates: SpanPredicate[] = [];
  if (selector.noParent) {
    predicates.push({
      name: "noParent",
      expected: "no parent",
      weight: 1,
      test: (span) => span.isRoot,
      seen: parentWords,
    });
  }
  if (childOf) {
    const parents = new Set(selectSpans(childOf, prepared));
    predicates.push({
      name: "childOf",
      expected: describeSelector(childOf),
      weight: 1,
      test: (span) => span.parent !== null && parents.has(span.parent),
      seen: parentWords,
    });
  }
  if (descendantOf) {
    predicates.push({
      name: "descendantOf",
      expected: describeSelector(descendantOf),
      weight: 1,
      test: isBelow(new Set(selectSpans(descendantOf, prepared))),
      seen: ancestorWords,
    });
  }
  if (linksTo) predicates.push(linkPredicate(linksTo, prepared));
  return predicates;
}

function linkPredicate(linksTo: SpanSelector, prepared: Prepared): SpanPredicate {
  const targets = new Set(selectSpans(linksTo, prepared));
  const linked = ({ span }: PreparedSpan): (PreparedSpan | undefined)[] =>
    (span.links ?? []).map(({ traceId, spanId }) => prepared.find(traceId, spanId));
  return {
    name: "linksTo",
    expected: describeSelector(linksTo),
    weight: 1,
    test: (span) => linked(span).some((target) => target !== undefined && targets.has(target)),
    seen: (span) => {
      const names = linked(span).map((target) => target?.span.name ?? "a span that is not here");
      return names.length === 0 ? "no link" : shown(names.join(", "));
    },
  };
}

/** Remembers answers on the way up, so that a deep tree is walked once; a cycle of parents ends it. */
function isBelow(ancestors: ReadonlySet<PreparedSpan>): (span: PreparedSpan) => boolean {
  const known = new Map<PreparedSpan, boolean>();
  return (span) => {
    const path = new Set<PreparedSpan>();
    let answer = false;
    for (let current: PreparedSpan | null = span; current && !path.has(current); ) {
      const remembered = known.get(current);
      if (remembered !== undefined) {
        answer = remembered;
        break;
      }
      path.add(current);
      current = current.parent;
      if (current && ancestors.has(current)) {
        answer = true;
        break;
      }
    }
    for (const passed of path) known.set(passed, answer);
    return answer;
  };
}

const parentWords = (span: PreparedSpan): string => {
  if (span.isRoot) return "no parent";
  return span.parent ? shown(span.parent.span.name) : "a parent that is not here";
};

function ancestorWords(span: PreparedSpan): string {
  const names: string[] = [];
  const passed = new Set<PreparedSpan>();
  let current = span.parent;
  while (current && !passed.has(current) && names.length < 6) {
    passed.add(current);
    names.push(current.span.name);
    current = current.parent;
  }
  return names.length === 0 ? parentWords(span) : shown(names.join(" < "));
}

/**
 * True when a span that matches goes on matching as evidence grows. Self time is the exception: it
 * shrinks with every child that arrives.
 */
export function staysSelected(selector: SpanSelector): boolean {
  return (
    (selector.selfTimeMs === undefined || isUpperBound(selector.selfTimeMs)) &&
    [selector.childOf, selector.descendantOf, selector.linksTo].every(
      (related) => related === undefined || staysSelected(related),
    )
  );
}

/** True when a span that does not match never will: nothing but the span itself is looked at. */
export const isOwn = (selector: SpanSelector): boolean =>
  selector.selfTimeMs === undefined &&
  selector.exception === undefined &&
  selector.childOf === undefined &&
  selector.descendantOf === undefined &&
  selector.linksTo === undefined;

const isUpperBound = (comparison: Comparison): boolean =>
  typeof comparison === "object" &&
  Object.keys(comparison).every((key) => key === "lt" || key === "lte");

/** A span as nearest miss, with a tick per predicate. */
export const missedSpan = (
  span: PreparedSpan,
  predicates: readonly SpanPredicate[],
): NearestMiss => ({
  kind: "span",
  title: shown(span.span.name),
  traceId: span.traceId,
  spanId: span.spanId,
  ticks: ticksOf(predicates, span),
});
