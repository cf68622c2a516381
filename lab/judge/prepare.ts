import type { LogRecord, OtlpSpan, OtlpTrace, SentryItem } from "#lab/api.ts";
import type { SpanKind, SpanStatus } from "#scenarios/define.ts";
import { attribute } from "#scenarios/names.ts";
import { attributeOf } from "./attribute-value.ts";
import type { Evidence } from "./evidence.ts";
import { sentryRunId } from "./sentry-payload.ts";

export interface ExceptionSeen {
  readonly type: string | null;
  readonly message: string | null;
}

/** A span with its place in the tree. Times are nanoseconds after the run's first span start. */
export interface PreparedSpan {
  readonly span: OtlpSpan;
  readonly traceId: string;
  readonly spanId: string;
  /** `service.name` of its resource; empty when there is none. */
  readonly service: string;
  readonly resource: OtlpSpan["attributes"];
  readonly kind: SpanKind | "unspecified";
  readonly status: SpanStatus;
  readonly startNs: number;
  readonly endNs: number;
  readonly durationMs: number;
  /** It names no parent. */
  readonly isRoot: boolean;
  /** Null for a root, and for an orphan: its parent is not in the evidence. */
  readonly parent: PreparedSpan | null;
  readonly children: readonly PreparedSpan[];
  /** Recorded as span event or as log record of this span. */
  readonly exceptions: readonly ExceptionSeen[];
}

/** The part of the evidence that belongs to the run, indexed. */
export interface Prepared {
  readonly evidence: Evidence;
  /** Each span once, by time. */
  readonly spans: readonly PreparedSpan[];
  /** By `<trace id>:<span id>`. */
  readonly byId: ReadonlyMap<string, PreparedSpan>;
  /** Traces of the run: told by the driver, carrying the run id, or linked with one that is. */
  readonly traceIds: ReadonlySet<string>;
  readonly logs: readonly LogRecord[];
  readonly sentry: readonly SentryItem[];
}

/** Key of {@link Prepared.byId}. */
export const spanKey = (traceId: string, spanId: string): string => `${traceId}:${spanId}`;

/**
 * Picks what belongs to the run and indexes it, once for all expectations. Order, repetition and
 * foreign traces in the evidence make no difference to the result.
 */
export function prepare(evidence: Evidence): Prepared {
  const found = uniqueSpans(evidence.traces);
  const traceIds = tracesOfRun(evidence, found.values());
  const own = [...found.values()].filter(({ span }) => traceIds.has(span.traceId));
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
  const spans = treeOf(own, logs);
  return {
    evidence,
    spans,
    byId: new Map(spans.map((span) => [spanKey(span.traceId, span.spanId), span])),
    traceIds,
    logs: uniqueBySeq(logs),
    sentry: uniqueBySeq(sentry),
  };
}

interface FoundSpan {
  readonly span: OtlpSpan;
  readonly resource: OtlpSpan["attributes"];
}

function uniqueSpans(traces: readonly OtlpTrace[]): Map<string, FoundSpan> {
  const found = new Map<string, FoundSpan>();
  for (const trace of traces) {
    for (const { resource, scopeSpans } of trace.resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          const key = spanKey(span.traceId, span.spanId);
          const one = { span, resource: resource?.attributes };
          const other = found.get(key);
          found.set(key, other ? preferred(other, one) : one);
        }
      }
    }
  }
  return found;
}

/** Of two versions of one span, the same one whatever order they came in: the later end wins. */
function preferred(a: FoundSpan, b: FoundSpan): FoundSpan {
  const difference = nanoseconds(a.span.endTimeUnixNano) - nanoseconds(b.span.endTimeUnixNano);
  if (difference !== 0n) return difference > 0n ? a : b;
  return JSON.stringify(a) <= JSON.stringify(b) ? a : b;
}

const nanoseconds = (text: string): bigint => (/^\d{1,20}$/.test(text) ? BigInt(text) : 0n);

/** Spreads from the known traces over links, in both directions; a trace with another run's id stays out. */
function tracesOfRun(evidence: Evidence, spans: Iterable<FoundSpan>): Set<string> {
  const own = new Set(evidence.traceIds);
  const foreign = new Set<string>();
  const linked = new Map<string, Set<string>>();
  const link = (from: string, to: string): void => {
    linked.set(from, (linked.get(from) ?? new Set()).add(to));
  };
  for (const { span, resource } of spans) {
    const runId =
      attributeOf(span.attributes, attribute.runId) ?? attributeOf(resource, attribute.runId);
    if (runId === evidence.runId) own.add(span.traceId);
    else if (runId !== undefined) foreign.add(span.traceId);
    for (const { traceId } of span.links ?? []) {
      if (traceId === span.traceId) continue;
      link(span.traceId, traceId);
      link(traceId, span.traceId);
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

interface GrowingSpan extends PreparedSpan {
  parent: GrowingSpan | null;
  readonly children: GrowingSpan[];
  readonly exceptions: ExceptionSeen[];
}

function treeOf(found: readonly FoundSpan[], logs: readonly LogRecord[]): readonly PreparedSpan[] {
  let base: bigint | undefined;
  const times = found.map(({ span }) => {
    const start = nanoseconds(span.startTimeUnixNano);
    if (base === undefined || start < base) base = start;
    return { start, end: nanoseconds(span.endTimeUnixNano) };
  });
  const zero = base ?? 0n;
  const byId = new Map<string, GrowingSpan>();
  for (const [index, { span, resource }] of found.entries()) {
    const { start, end } = times[index] ?? { start: 0n, end: 0n };
    byId.set(spanKey(span.traceId, span.spanId), {
      span,
      traceId: span.traceId,
      spanId: span.spanId,
      service: String(attributeOf(resource, "service.name") ?? ""),
      resource,
      kind: kinds[span.kind ?? 0] ?? "unspecified",
      status: statuses[span.status?.code ?? 0] ?? "unset",
      startNs: Number(start - zero),
      endNs: Number(end - zero),
      durationMs: Number(end - start) / 1e6,
      isRoot: !namesParent(span),
      parent: null,
      children: [],
      exceptions: exceptionEvents(span),
    });
  }
  const spans = [...byId.values()].sort(
    (a, b) => a.startNs - b.startNs || (a.spanId < b.spanId ? -1 : 1),
  );
  for (const span of spans) {
    if (span.isRoot) continue;
    const parent = byId.get(spanKey(span.traceId, span.span.parentSpanId ?? ""));
    if (!parent) continue;
    span.parent = parent;
    parent.children.push(span);
  }
  for (const record of logs) {
    const span = byId.get(spanKey(record.traceId ?? "", record.spanId ?? ""));
    const exception = exceptionIn(record.attributes);
    if (span && exception) span.exceptions.push(exception);
  }
  return spans;
}

const kinds: readonly PreparedSpan["kind"][] = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
];
const statuses: readonly SpanStatus[] = ["unset", "ok", "error"];

const namesParent = (span: OtlpSpan): boolean =>
  span.parentSpanId !== undefined && !/^0*$/.test(span.parentSpanId);

const exceptionEvents = (span: OtlpSpan): ExceptionSeen[] =>
  (span.events ?? [])
    .filter(({ name }) => name === "exception")
    .map(({ attributes }) => ({
      type: text(attributeOf(attributes, "exception.type")),
      message: text(attributeOf(attributes, "exception.message")),
    }));

function exceptionIn(attributes: LogRecord["attributes"]): ExceptionSeen | undefined {
  const type = text(attributes["exception.type"]);
  const message = text(attributes["exception.message"]);
  return type === null && message === null ? undefined : { type, message };
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

function uniqueBySeq<T extends { readonly seq: number }>(items: readonly T[]): readonly T[] {
  const bySeq = new Map(items.map((item) => [item.seq, item]));
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq);
}

/**
 * Milliseconds of a span that none of its children covers. Children are cut to the span, and
 * children that run side by side count once.
 */
export function selfTimeMs(span: PreparedSpan): number {
  let covered = 0;
  let reached = span.startNs;
  for (const child of [...span.children].sort((a, b) => a.startNs - b.startNs)) {
    const end = Math.min(child.endNs, span.endNs);
    const start = Math.max(child.startNs, reached);
    if (end > start) {
      covered += end - start;
      reached = end;
    }
  }
  return span.durationMs - covered / 1e6;
}
