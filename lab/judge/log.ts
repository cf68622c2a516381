import type { LogRecord } from "#lab/api/logs.ts";
import type { LogExpectation } from "#scenarios/expectation.ts";
import type { Finding } from "./finding.ts";
import { logQuery } from "./logql.ts";
import {
  attributePredicates,
  meetsAll,
  nearestOf,
  type Predicate,
  shown,
  ticksOf,
  valuePredicate,
} from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { decide, highest } from "./quantity.ts";

/** Counts the log records of the run that meet every predicate. */
export function judgeLog(expectation: LogExpectation, prepared: Prepared): Finding {
  const { count = { gte: 1 } } = expectation;
  const { runId, settled } = prepared.evidence;
  const predicates = logPredicates(expectation, prepared);
  const found = prepared.logs.filter((record) => meetsAll(predicates, record));
  const verdict = decide(count, found.length, { settled, grows: true });
  const chosen = new Set(found);
  const nearest =
    found.length > highest(count)
      ? found.at(-1)
      : nearestOf(
          predicates,
          prepared.logs.filter((record) => !chosen.has(record)),
        );
  return {
    verdict,
    seen: `${found.length} of ${prepared.logs.length} log lines`,
    nearest:
      verdict === "pass" || !nearest
        ? null
        : {
            kind: "log",
            title: shown(nearest.body),
            traceId: nearest.traceId,
            spanId: nearest.spanId,
            ticks: ticksOf(predicates, nearest),
          },
    query:
      prepared.evidence.judgedBy?.logs === "loki"
        ? { language: "logql", text: logQuery(runId, prepared.traceIds, expectation) }
        : { language: "http", text: queryOf(runId, expectation) },
  };
}

/** What a log record has to meet. */
export function logPredicates(
  {
    service,
    severity,
    body,
    attributes,
    correlated,
  }: Pick<LogExpectation, "service" | "severity" | "body" | "attributes" | "correlated">,
  prepared: Prepared,
): readonly Predicate<LogRecord>[] {
  const predicates: Predicate<LogRecord>[] = [];
  if (body !== undefined) predicates.push(valuePredicate("body", body, (it) => it.body, 3));
  if (severity !== undefined) {
    predicates.push(valuePredicate("severity", severity, (it) => it.severity));
  }
  if (service !== undefined)
    predicates.push(valuePredicate("service", service, (it) => it.service));
  if (attributes !== undefined) {
    predicates.push(
      ...attributePredicates("attributes", attributes, (it: LogRecord, key) =>
        Object.hasOwn(it.attributes, key) ? it.attributes[key] : undefined,
      ),
    );
  }
  if (correlated) {
    predicates.push({
      name: "correlated",
      expected: "trace and span id of a span of the run",
      weight: 1,
      test: (it) => prepared.find(it.traceId, it.spanId) !== undefined,
      seen: (it) => `trace ${it.traceId ?? "nothing"}, span ${it.spanId ?? "nothing"}`,
    });
  }
  return predicates;
}

function queryOf(runId: string, { service, severity, body }: LogExpectation): string {
  const query = new URLSearchParams({ run: runId });
  if (typeof service === "string") query.set("service", service);
  if (severity !== undefined) query.set("severity", severity);
  if (typeof body === "string") query.set("text", body);
  return `GET /lab/api/logs?${query}`;
}
