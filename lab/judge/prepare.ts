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
  readonly find: (traceId: string | null, spanId: string | null) => PreparedSpan | undefined;
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
    ...treeOf(found, traceIds, logs),
    traceIds,
    logs: uniqueBySeq(logs),
    sentry: uniqueBySeq(sentry),
  };
}

/** By trace id, then span id: joining both into one key would cost more than all the rest. */
type ById<T> = Map<string, Map<string, T>>;

interface FoundSpan {
  readonly span: OtlpSpan;
  readonly resource: OtlpSpan["attributes"];
}

function inTrace<T>(byId: ById<T>, traceId: string): Map<string, T> {
  const known = byId.get(traceId);
  if (known) return known;
  const added = new Map<string, T>();
  byId.set(traceId, added);
  return added;
}

function uniqueSpans(traces: readonly OtlpTrace[]): ById<FoundSpan> {
  const found: ById<FoundSpan> = new Map();
  for (const trace of traces) {
    for (const { resource, scopeSpans } of trace.resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          const siblings = inTrace(found, span.traceId);
          const one = { span, resource: resource?.attributes };
          const other = siblings.get(span.spanId);
          siblings.set(span.spanId, other ? preferred(other, one) : one);
        }
      }
    }
  }
  return found;
}

/** Of two versions of one span, the same one whatever order they came in: the later end wins. */
function preferred(a: FoundSpan, b: FoundSpan): FoundSpan {
  const difference = nanosecondsBetween(
    momentOf(b.span.endTimeUnixNano),
    momentOf(a.span.endTimeUnixNano),
  );
  if (difference !== 0) return difference > 0 ? a : b;
  return JSON.stringify(a) <= JSON.stringify(b) ? a : b;
}

/** A time in two parts, because nanoseconds since the epoch do not fit a number. */
interface Moment {
  readonly seconds: number;
  readonly nanos: number;
}

const momentOf = (text: string): Moment =>
  /^\d{1,20}$/.test(text)
    ? { seconds: Number(text.slice(0, -9)), nanos: Number(text.slice(-9)) }
    : { seconds: 0, nanos: 0 };

const nanosecondsBetween = (from: Moment, to: Moment): number =>
  (to.seconds - from.seconds) * 1e9 + (to.nanos - from.nanos);

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

interface GrowingSpan extends PreparedSpan {
  startNs: number;
  endNs: number;
  parent: GrowingSpan | null;
  children: readonly GrowingSpan[];
  exceptions: readonly ExceptionSeen[];
}

/** Shared by all spans that have none of something. */
const none: readonly never[] = [];

function treeOf(
  found: ById<FoundSpan>,
  traceIds: ReadonlySet<string>,
  logs: readonly LogRecord[],
): Pick<Prepared, "spans" | "find"> {
  const byId: ById<GrowingSpan> = new Map();
  const spans: GrowingSpan[] = [];
  let zero: Moment | undefined;
  for (const [traceId, siblings] of found) {
    if (!traceIds.has(traceId)) continue;
    const made = inTrace(byId, traceId);
    for (const { span, resource } of siblings.values()) {
      const start = momentOf(span.startTimeUnixNano);
      zero ??= start;
      const one = spanOf(span, resource, start, zero);
      made.set(span.spanId, one);
      spans.push(one);
    }
  }
  const earliest = spans.reduce((least, { startNs }) => Math.min(least, startNs), Infinity);
  for (const span of spans) {
    span.startNs -= earliest;
    span.endNs -= earliest;
  }
  spans.sort(byTime);
  const find = (traceId: string | null, spanId: string | null): GrowingSpan | undefined =>
    byId.get(traceId ?? "")?.get(spanId ?? "");
  // Children are joined in order of time, so that they need no sorting later.
  for (const span of spans) {
    if (span.isRoot) continue;
    const parent = find(span.traceId, span.span.parentSpanId ?? null);
    if (!parent) continue;
    span.parent = parent;
    if (parent.children === none) parent.children = [span];
    else (parent.children as GrowingSpan[]).push(span);
  }
  for (const record of logs) {
    const span = find(record.traceId, record.spanId);
    const exception = exceptionIn(record.attributes);
    if (span && exception) span.exceptions = [...span.exceptions, exception];
  }
  return { spans, find };
}

const byTime = (a: PreparedSpan, b: PreparedSpan): number => {
  if (a.startNs !== b.startNs) return a.startNs - b.startNs;
  if (a.spanId !== b.spanId) return a.spanId < b.spanId ? -1 : 1;
  return a.traceId < b.traceId ? -1 : 1;
};

function spanOf(
  span: OtlpSpan,
  resource: OtlpSpan["attributes"],
  start: Moment,
  zero: Moment,
): GrowingSpan {
  const startNs = nanosecondsBetween(zero, start);
  const durationNs = nanosecondsBetween(start, momentOf(span.endTimeUnixNano));
  return {
    span,
    traceId: span.traceId,
    spanId: span.spanId,
    service: String(attributeOf(resource, "service.name") ?? ""),
    resource,
    kind: kinds[span.kind ?? 0] ?? "unspecified",
    status: statuses[span.status?.code ?? 0] ?? "unset",
    startNs,
    endNs: startNs + durationNs,
    durationMs: durationNs / 1e6,
    isRoot: !namesParent(span),
    parent: null,
    children: none,
    exceptions: exceptionEvents(span),
  };
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

const exceptionEvents = ({ events = none }: OtlpSpan): readonly ExceptionSeen[] => {
  if (events.length === 0) return none;
  return events
    .filter(({ name }) => name === "exception")
    .map(({ attributes }) => ({
      type: text(attributeOf(attributes, "exception.type")),
      message: text(attributeOf(attributes, "exception.message")),
    }));
};

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
  for (const child of span.children) {
    const end = Math.min(child.endNs, span.endNs);
    const start = Math.max(child.startNs, reached);
    if (end > start) {
      covered += end - start;
      reached = end;
    }
  }
  return span.durationMs - covered / 1e6;
}
