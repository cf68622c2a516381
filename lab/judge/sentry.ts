import type { SentryItem } from "#lab/api/sentry.ts";
import type { SentryExpectation } from "#scenarios/expectation.ts";
import type { Finding } from "./finding.ts";
import { type Predicate, valuePredicate } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { countRecords } from "./record-count.ts";
import { at, sentryException, sentryServices } from "./sentry-payload.ts";

/** Counts the Sentry items of the run that meet every predicate. */
export function judgeSentry(expectation: SentryExpectation, prepared: Prepared): Finding {
  const { item } = expectation;
  const { runId, settled } = prepared.evidence;
  const { found, verdict, nearest } = countRecords(
    { kind: "sentry", records: prepared.sentry, titleOf: ({ title }) => title },
    sentryPredicates(expectation, prepared),
    { count: expectation.count, settled },
  );
  const ofKind = prepared.sentry.filter((one) => one.kind === item).length;
  return {
    verdict,
    seen: `${found} of ${ofKind} Sentry ${item}s`,
    nearest,
    query: {
      language: "http",
      text: `GET /lab/api/sentry?${new URLSearchParams({ run: runId, kind: item })}`,
    },
  };
}

/** What a Sentry item has to meet. */
export function sentryPredicates(
  expectation: Omit<SentryExpectation, "signal" | "why" | "hint" | "modes" | "count">,
  prepared: Prepared,
): readonly Predicate<SentryItem>[] {
  const { item, name, service, level, mechanism, handled, exception, sameTrace } = expectation;
  const predicates: Predicate<SentryItem>[] = [
    valuePredicate("item", item, (it: SentryItem) => it.kind, 2),
  ];
  if (name !== undefined) predicates.push(valuePredicate("name", name, nameOf, 3));
  if (exception?.type !== undefined) {
    predicates.push(
      valuePredicate("exception.type", exception.type, (it) => exceptionOf(it).type, 3),
    );
  }
  if (exception?.message !== undefined) {
    predicates.push(
      valuePredicate("exception.message", exception.message, (it) => exceptionOf(it).message),
    );
  }
  if (service !== undefined) {
    predicates.push(valuePredicate("service", service, (it) => sentryServices(it.payload)));
  }
  if (level !== undefined) predicates.push(valuePredicate("level", level, levelOf));
  if (mechanism !== undefined) {
    predicates.push(valuePredicate("mechanism", mechanism, (it) => exceptionOf(it).mechanism));
  }
  if (handled !== undefined) {
    predicates.push(valuePredicate("handled", handled, (it) => exceptionOf(it).handled));
  }
  if (sameTrace) {
    predicates.push({
      name: "sameTrace",
      expected: "a trace of the run",
      weight: 1,
      test: (it) => it.traceId !== null && prepared.traceIds.has(it.traceId),
      seen: (it) => `trace ${it.traceId ?? "nothing"}`,
    });
  }
  return predicates;
}

const exceptionOf = (item: SentryItem) => sentryException(item.payload);

const levelOf = (item: SentryItem): unknown => at(item.payload, "level") ?? item.level ?? undefined;

const nameOf = (item: SentryItem): unknown =>
  item.kind === "log"
    ? (at(item.payload, "body") ?? item.title)
    : (at(item.payload, "transaction") ?? (item.kind === "transaction" ? item.title : undefined));
