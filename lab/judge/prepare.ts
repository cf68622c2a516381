import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpSpan, OtlpTrace } from "#lab/api/otlp.ts";
import type { SentryItem } from "#lab/api/sentry.ts";
import { attribute } from "#scenarios/names.ts";
import { attributeOf } from "./attribute-value.ts";
import type { Evidence } from "./evidence.ts";
import { momentOf, nanosecondsBetween } from "./moment.ts";
import { sentryRunId } from "./sentry-payload.ts";
import { type ById, type FoundSpan, inTrace, type SpanTree, spanTree } from "./span-tree.ts";

/** The part of the evidence that belongs to the run, each thing once, indexed. */
export interface Prepared extends SpanTree {
  readonly evidence: Evidence;
  /** Traces of the run: told by the driver, carrying the run id, or linked with one that is. */
  readonly traceIds: ReadonlySet<string>;
  readonly logs: readonly LogRecord[];
  readonly sentry: readonly SentryItem[];
}

/**
 * Picks what belongs to the run and indexes it, once for all expectations. Order, repetition and
 * foreign traces in the evidence make no difference to the result.
 */
export function prepare(evidence: Evidence): Prepared {
  const found = uniqueSpans(evidence.traces);
  const traceIds = tracesOfRun(evidence, found);
  const logs = evidence.logs.filter(
    (record) =>
      (record.traceId !== null && traceIds.has(record.traceId)) ||
      record.attributes[attribute.runId] === evidence.runId,
  );
  const sentry = evidence.sentry.filter(
    (item) =>
      (item.traceId !== null && traceIds.has(item.traceId)) ||
      sentryRunId(item.payload) === evidence.runId,
  );
  return {
    evidence,
    ...spanTree(found, traceIds, logs),
    traceIds,
    logs: uniqueBySeq(logs),
    sentry: uniqueBySeq(sentry),
  };
}

function uniqueSpans(traces: readonly OtlpTrace[]): ById<FoundSpan> {
  const found: ById<FoundSpan> = new Map();
  for (const trace of traces) {
    for (const { resource, scopeSpans } of trace.resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          const siblings = inTrace(found, span.traceId);
          const one = { span: whole(span), resource: resource?.attributes };
          const other = siblings.get(span.spanId);
          siblings.set(span.spanId, other ? preferred(other, one) : one);
        }
      }
    }
  }
  return found;
}

/** What is empty or zero is not on the wire of protobuf, so it is not in what was read back. */
const whole = (span: OtlpSpan): OtlpSpan =>
  "name" in span && "startTimeUnixNano" in span && "endTimeUnixNano" in span
    ? span
    : Object.assign({ name: "", startTimeUnixNano: "0", endTimeUnixNano: "0" }, span);

/** Of two versions of one span, the same one whatever order they came in: the later end wins. */
function preferred(a: FoundSpan, b: FoundSpan): FoundSpan {
  const difference = nanosecondsBetween(
    momentOf(b.span.endTimeUnixNano),
    momentOf(a.span.endTimeUnixNano),
  );
  if (difference !== 0) return difference > 0 ? a : b;
  return JSON.stringify(a) <= JSON.stringify(b) ? a : b;
}

/** Spreads from the known traces over links, in both directions; a trace with another run's id stays out. */
function tracesOfRun(evidence: Evidence, spans: ById<FoundSpan>): Set<string> {
  const own = new Set(evidence.traceIds);
  const foreign = new Set<string>();
  const linked = new Map<string, Set<string>>();
  const link = (from: string, to: string): void => {
    linked.set(from, (linked.get(from) ?? new Set()).add(to));
  };
  for (const [traceId, siblings] of spans) {
    for (const { span, resource } of siblings.values()) {
      const runId =
        attributeOf(span.attributes, attribute.runId) ?? attributeOf(resource, attribute.runId);
      if (runId === evidence.runId) own.add(traceId);
      else if (runId !== undefined) foreign.add(traceId);
      for (const { traceId: other } of span.links ?? []) {
        if (other === traceId) continue;
        link(traceId, other);
        link(other, traceId);
      }
    }
  }
  for (const { traceId, attributes } of evidence.logs) {
    if (traceId !== null && attributes[attribute.runId] === evidence.runId) own.add(traceId);
  }
  // A Set may grow while it is walked: what is added is visited too.
  for (const traceId of own) {
    for (const next of linked.get(traceId) ?? []) if (!foreign.has(next)) own.add(next);
  }
  return own;
}

function uniqueBySeq<T extends { readonly seq: number }>(items: readonly T[]): readonly T[] {
  const bySeq = new Map(items.map((item) => [item.seq, item]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}
