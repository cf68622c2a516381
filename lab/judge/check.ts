import type { CheckExpectation } from "#scenarios/expectation.ts";
import type { RunEvidence } from "#scenarios/run-evidence.ts";
import { plainValue } from "./attribute-value.ts";
import type { Finding } from "./finding.ts";
import { metricSeen } from "./metric.ts";
import type { Prepared } from "./prepare.ts";
import { runEvidenceQuery } from "./run-record-query.ts";
import type { PreparedSpan } from "./span-tree.ts";

/** Asks a check that is written in TypeScript. What it throws is a failure with the error's words. */
export function judgeCheck({ check }: CheckExpectation, prepared: Prepared): Finding {
  const { settled, runId } = prepared.evidence;
  const found = { nearest: null, query: runEvidenceQuery(runId) };
  if (!check) {
    return { ...found, verdict: "inconclusive", seen: "its function is not part of the data" };
  }
  if (!settled) return { ...found, verdict: "pending", seen: "the run has not settled" };
  try {
    const { ok, seen } = check(runEvidence(prepared));
    return { ...found, verdict: ok === true ? "pass" : "fail", seen };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { ...found, verdict: "fail", seen: `the check threw: ${words}` };
  }
}

function runEvidence(prepared: Prepared): RunEvidence {
  const { mode, params, answer, page, restarts } = prepared.evidence;
  return {
    mode,
    params,
    answer,
    page,
    restarts,
    spans: prepared.spans.map(seenSpan),
    logs: prepared.logs,
    sentry: prepared.sentry,
    metric: (name, labels) =>
      metricSeen({ name, ...(labels ? { labels } : {}) }, prepared.evidence),
  };
}

const seenSpan = (prepared: PreparedSpan): RunEvidence["spans"][number] => ({
  traceId: prepared.traceId,
  spanId: prepared.spanId,
  parentSpanId: prepared.isRoot ? null : (prepared.span.parentSpanId ?? null),
  name: prepared.span.name,
  service: prepared.service,
  kind: prepared.kind,
  status: prepared.status,
  startMs: prepared.startNs / 1e6,
  durationMs: prepared.durationMs,
  attributes: record(prepared.span.attributes),
  events: (prepared.span.events ?? []).map(({ name, attributes }) => ({
    name,
    attributes: record(attributes),
  })),
  links: (prepared.span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
  traceState: prepared.span.traceState ?? "",
  droppedAttributes: prepared.span.droppedAttributesCount ?? 0,
  droppedEvents: prepared.span.droppedEventsCount ?? 0,
});

/** Without a prototype: a key may be `__proto__`. */
function record(attributes: PreparedSpan["span"]["attributes"]): Readonly<Record<string, unknown>> {
  const made: Record<string, unknown> = Object.create(null);
  for (const { key, value } of attributes ?? []) made[key] = plainValue(value);
  return made;
}
