import type { OtlpKeyValue, OtlpSpan, OtlpTrace } from "#lab/api/otlp.ts";
import { textOf } from "./attributes.ts";

export const kinds = [
  "unspecified",
  "internal",
  "server",
  "client",
  "producer",
  "consumer",
] as const;
export type Kind = (typeof kinds)[number];

/** One span, ready to be drawn. Times are milliseconds from the trace's start. */
export interface TraceSpan {
  readonly id: string;
  readonly parentId: string | null;
  readonly name: string;
  /** `service.name` of the resource. */
  readonly service: string;
  /** What the bar's colour stands for: the service, or the data store that a client span called. */
  readonly hue: string;
  readonly kind: Kind;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly hasEvents: boolean;
  /** Its times are more than a day off its arrival: the sender's clock is wrong. */
  readonly farOff: boolean;
  /** Null in large traces, whose spans come without: `DetailsReader` fetches them. */
  readonly details: SpanDetails | null;
}

export interface SpanDetails {
  /** As sent: attributes, events, links and status are read from here when somebody looks. */
  readonly raw: OtlpSpan;
  readonly resource: readonly OtlpKeyValue[];
  readonly scope: string;
}

export interface Trace {
  readonly id: string;
  /** Nanoseconds since the epoch of the earliest start. */
  readonly startUnixNano: bigint;
  /** From the earliest start to the latest end. */
  readonly durationMs: number;
  /** In the order they were sent. */
  readonly spans: readonly TraceSpan[];
  /** Colour keys in order of first start. */
  readonly hues: readonly string[];
}

type Untimed = Omit<TraceSpan, "startMs" | "endMs">;

/**
 * Makes OTLP/JSON drawable. Spans sent twice are taken once, in their last form; spans that end
 * before they start get no length.
 */
export function decodeTrace(id: string, { resourceSpans, farOff = [] }: OtlpTrace): Trace {
  let startUnixNano = 0n;
  const farOffIds = new Set(farOff);
  const found = new Map<string, { readonly span: Untimed; readonly raw: OtlpSpan }>();
  for (const { resource, scopeSpans } of resourceSpans) {
    const attributes = resource?.attributes ?? [];
    const service = textOf(attributes, "service.name") ?? "unknown_service";
    for (const { scope, spans } of scopeSpans) {
      for (const raw of spans) {
        const start = BigInt(raw.startTimeUnixNano);
        if (startUnixNano === 0n || start < startUnixNano) startUnixNano = start;
        const span: Untimed = {
          id: raw.spanId,
          parentId:
            raw.parentSpanId === undefined || raw.parentSpanId === "" ? null : raw.parentSpanId,
          name: raw.name,
          service,
          hue: (raw.kind === 3 && dataStoreOf(raw)) || service,
          kind: kinds[raw.kind ?? 0] ?? "unspecified",
          failed: raw.status?.code === 2,
          hasEvents: (raw.events ?? []).length > 0,
          farOff: farOffIds.has(raw.spanId),
          details: { raw, resource: attributes, scope: scope?.name ?? "" },
        };
        found.set(raw.spanId, { span, raw });
      }
    }
  }
  const spans = [...found.values()].map(({ span, raw }): TraceSpan => {
    const startMs = sinceMs(startUnixNano, raw.startTimeUnixNano);
    const endMs = sinceMs(startUnixNano, raw.endTimeUnixNano);
    return { ...span, startMs, endMs: Math.max(startMs, endMs) };
  });
  const durationMs = spans.reduce((latest, { endMs }) => Math.max(latest, endMs), 0);
  const hues = [...new Set([...spans].sort((a, b) => a.startMs - b.startMs).map(({ hue }) => hue))];
  return { id, startUnixNano, durationMs, spans, hues };
}

/** When a trace begins, in milliseconds since the epoch to the microsecond; undefined where there are no spans. */
export const startOf = ({ spans, startUnixNano }: Trace): number | undefined =>
  spans.length === 0 ? undefined : Number(startUnixNano / 1000n) / 1000;

/** Milliseconds between two nanosecond times, exact to the nanosecond for any trace shorter than 100 days. */
export const sinceMs = (startUnixNano: bigint, unixNano: string): number =>
  Number(BigInt(unixNano) - startUnixNano) / 1e6;

const dataStoreOf = (span: OtlpSpan): string | undefined =>
  textOf(span.attributes, "db.system.name") ?? textOf(span.attributes, "db.system");
