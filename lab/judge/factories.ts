import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpAnyValue, OtlpKeyValue, OtlpSpan, OtlpTrace } from "#lab/api/otlp.ts";
import type { SentryItem } from "#lab/api/sentry.ts";
import type { MetricReading } from "#lab/sources/metrics.ts";
import { parseExposition } from "#lab/sources/openmetrics.ts";
import { attribute } from "#scenarios/names.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";
import type { Evidence, MetricEvidence } from "./evidence.ts";

/** Evidence for tests, with defaults that make the shortest call a sensible thing. */
export const runId = "0123456789abcdefghjkmnpqrs";
export const otherRunId = "zzzzzzzzzzzzzzzzzzzzzzzzzz";

/** Id of `length` hex digits for a small number or word; 0 is never all zeros. */
export const hexId = (seed: number | string, length: 16 | 32): string => {
  const text =
    typeof seed === "number" ? (seed + 1).toString(16) : Buffer.from(seed).toString("hex");
  return text.padStart(length, "0").slice(-length);
};
export const traceIdOf = (seed: number | string): string => hexId(seed, 32);
export const spanIdOf = (seed: number | string): string => hexId(seed, 16);

type Plain = ParamValue | readonly ParamValue[];
export type PlainAttributes = Readonly<Record<string, Plain>>;

const anyValue = (value: Plain): OtlpAnyValue => {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value !== "number") return { arrayValue: { values: value.map(anyValue) } };
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
};

export const keyValues = (attributes: PlainAttributes): readonly OtlpKeyValue[] =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));

/** Milliseconds after an arbitrary moment, as OTLP writes times. */
export const timeAt = (ms: number): string =>
  String(1_800_000_000_000_000_000n + BigInt(Math.round(ms * 1e6)));

export interface SpanSpec {
  readonly id?: number | string;
  readonly trace?: number | string;
  readonly parent?: number | string;
  readonly name?: string;
  readonly service?: string;
  readonly kind?: number;
  /** 0 unset, 1 ok, 2 error. */
  readonly status?: number;
  readonly startMs?: number;
  readonly durationMs?: number;
  readonly attributes?: PlainAttributes;
  readonly resource?: PlainAttributes;
  readonly exception?: { readonly type: string; readonly message: string };
  readonly links?: readonly { readonly trace?: number | string; readonly id: number | string }[];
}

/** One span with its resource; it belongs to trace 0 unless told otherwise. */
export interface MadeSpan {
  readonly service: string;
  readonly resource: PlainAttributes;
  readonly span: OtlpSpan;
}

let made = 1000;

export function span(spec: SpanSpec = {}): MadeSpan {
  const { trace = 0, parent, name = "work", service = "lab-server", startMs = 0 } = spec;
  const { durationMs = 1, kind = 1, status = 0, attributes = {}, resource = {}, links } = spec;
  made += 1;
  return {
    service,
    resource,
    span: {
      traceId: traceIdOf(trace),
      spanId: spanIdOf(spec.id ?? made),
      ...(parent === undefined ? {} : { parentSpanId: spanIdOf(parent) }),
      name,
      kind,
      startTimeUnixNano: timeAt(startMs),
      endTimeUnixNano: timeAt(startMs + durationMs),
      attributes: keyValues(attributes),
      events: spec.exception
        ? [
            {
              timeUnixNano: timeAt(startMs),
              name: "exception",
              attributes: keyValues({
                "exception.type": spec.exception.type,
                "exception.message": spec.exception.message,
              }),
            },
          ]
        : [],
      links: (links ?? []).map(({ trace: other = 0, id }) => ({
        traceId: traceIdOf(other),
        spanId: spanIdOf(id),
      })),
      status: { code: status },
    },
  };
}

/** One OTLP document with a resource per span, in the order given. */
export const traceOf = (spans: readonly MadeSpan[]): OtlpTrace => ({
  resourceSpans: spans.map(({ service, resource, span: one }) => ({
    resource: { attributes: keyValues({ "service.name": service, ...resource }) },
    scopeSpans: [{ scope: { name: "test" }, spans: [one] }],
  })),
});

let sequence = 0;

export const log = (
  spec: Partial<Omit<LogRecord, "traceId" | "spanId">> & {
    readonly trace?: number | string | null;
    readonly span?: number | string | null;
  } = {},
): LogRecord => {
  const { trace = 0, span: ofSpan = null, ...rest } = spec;
  sequence += 1;
  return {
    seq: sequence,
    timeUnixNano: timeAt(0),
    severity: "info",
    body: "line",
    service: "lab-server",
    traceId: trace === null ? null : traceIdOf(trace),
    spanId: ofSpan === null ? null : spanIdOf(ofSpan),
    attributes: {},
    ...rest,
  };
};

export interface SentrySpec {
  readonly kind?: SentryItem["kind"];
  readonly trace?: number | string | null;
  readonly level?: string;
  readonly type?: string;
  readonly message?: string;
  readonly mechanism?: string;
  readonly handled?: boolean;
  readonly payload?: Readonly<Record<string, unknown>>;
}

export const sentryItem = (spec: SentrySpec = {}): SentryItem => {
  const { kind = "event", trace = 0, level = "error", type = "Error", message = "boom" } = spec;
  const { mechanism = "generic", handled = true, payload = {} } = spec;
  sequence += 1;
  return {
    seq: sequence,
    kind,
    receivedAt: 1_800_000_000_000,
    traceId: trace === null ? null : traceIdOf(trace),
    spanId: null,
    origin: "sdk",
    level,
    title: `${type}: ${message}`,
    payload: {
      level,
      server_name: "lab-server",
      exception: { values: [{ type, value: message, mechanism: { type: mechanism, handled } }] },
      ...payload,
    },
  };
};

/** A reading written as OpenMetrics lines, without the closing one. */
export const reading = (...lines: readonly string[]): MetricReading => ({
  readAt: 1_800_000_000_000,
  ...parseExposition(`${lines.join("\n")}\n# EOF\n`, "openmetrics"),
});

export const metricEvidence = (...readings: readonly MetricReading[]): MetricEvidence => ({
  baseline: readings[0] ?? null,
  during: readings.slice(1, -1),
  latest: readings.length > 1 ? (readings.at(-1) ?? null) : null,
});

/** A settled fault run with all sources there; `spans` go into one document, trace 0 is the driver's. */
export const evidenceOf = (
  spec: Partial<Evidence> & { readonly spans?: readonly MadeSpan[] } = {},
): Evidence => {
  const { spans = [], ...rest } = spec;
  return {
    runId,
    mode: "fault",
    params: {},
    traceIds: [traceIdOf(0)],
    traces: [traceOf(spans)],
    logs: [],
    sentry: [],
    metrics: null,
    answer: { status: 200, durationMs: 10 },
    page: {},
    restarts: {},
    exitCodes: {},
    settled: true,
    sources: { traces: "ok", logs: "ok", sentry: "ok", metrics: "ok" },
    ...rest,
  };
};

/** Attributes of a span that says which run it belongs to. */
export const ofRun = (id: string = runId): PlainAttributes => ({ [attribute.runId]: id });
