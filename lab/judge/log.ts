import type { LogRecord } from "#lab/api/logs.ts";
import type { LogExpectation } from "#scenarios/expectation.ts";
import type { Finding } from "./finding.ts";
import { logQuery } from "./logql.ts";
import { attributePredicates, type Predicate, valuePredicate } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { countRecords } from "./record-count.ts";

/** Counts the log records of the run that meet every predicate. */
export function judgeLog(expectation: LogExpectation, prepared: Prepared): Finding {
  const { runId, settled } = prepared.evidence;
  const { found, verdict, nearest } = countRecords(
    { kind: "log", records: prepared.logs, titleOf: ({ body }) => body },
    logPredicates(expectation, prepared),
    { count: expectation.count, settled },
  );
  return {
    verdict,
    seen: `${found} of ${prepared.logs.length} log lines`,
    nearest,
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
