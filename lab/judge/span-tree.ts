import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpSpan } from "#lab/api/otlp.ts";
import type { SpanKind, SpanStatus } from "#scenarios/span-selector.ts";
import { attributeOf } from "./attribute-value.ts";
import { type Moment, momentOf, nanosecondsBetween } from "./moment.ts";

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

/** Spans in order of time, and by their ids. */
export interface SpanTree {
  readonly spans: readonly PreparedSpan[];
  readonly find: (traceId: string | null, spanId: string | null) => PreparedSpan | undefined;
}

/** By trace id, then span id: joining both into one key would cost more than all the rest. */
export type ById<T> = Map<string, Map<string, T>>;

/** A span as it was sent, with the resource it was sent under. */
export interface FoundSpan {
  readonly span: OtlpSpan;
  readonly resource: OtlpSpan["attributes"];
}

/** The spans of one trace, ready to be added to. */
export function inTrace<T>(byId: ById<T>, traceId: string): Map<string, T> {
  const known = byId.get(traceId);
  if (known) return known;
  const added = new Map<string, T>();
  byId.set(traceId, added);
  return added;
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

/**
 * Joins the spans of the given traces to trees, in order of time, and adds the exceptions that log
 * records tell of them.
 */
export function spanTree(
  found: ById<FoundSpan>,
  traceIds: ReadonlySet<string>,
  logs: readonly LogRecord[],
): SpanTree {
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
