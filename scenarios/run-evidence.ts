import type { Severity } from "./expectation.ts";
import type { Mode } from "./mode.ts";
import type { ParamValue } from "./param-spec.ts";
import type { SpanKind, SpanStatus } from "./span-selector.ts";

/** What a check written in TypeScript gets to see of a run: the run's own telemetry and nothing else. */
export interface RunEvidence {
  readonly mode: Mode;
  readonly params: Readonly<Record<string, ParamValue>>;
  /** By start. */
  readonly spans: readonly SeenSpan[];
  readonly logs: readonly SeenLog[];
  readonly sentry: readonly SeenSentry[];
  /** A metric summed over the series with these labels; undefined when nobody exposes it. */
  readonly metric: (
    name: string,
    labels?: Readonly<Record<string, string>>,
  ) => SeenMetric | undefined;
  /** What the driver's request was answered; null when there was none. `status` 0: the connection broke. */
  readonly answer: { readonly status: number; readonly durationMs: number } | null;
  /** What the stage observed, by name. */
  readonly page: Readonly<Record<string, ParamValue>>;
  /** Restarts during the run, of the components that had any. */
  readonly restarts: Readonly<Record<string, number>>;
}

export interface SeenSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Null for a root. */
  readonly parentSpanId: string | null;
  readonly name: string;
  readonly service: string;
  readonly kind: SpanKind | "unspecified";
  readonly status: SpanStatus;
  /** Milliseconds after the run's first span started. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly {
    readonly name: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  /** W3C `tracestate` as it was sent; empty without one. */
  readonly traceState: string;
  /** What the SDK left out beyond its limits. */
  readonly droppedAttributes: number;
  readonly droppedEvents: number;
}

export interface SeenLog {
  readonly service: string;
  readonly severity: Severity;
  readonly body: string;
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface SeenSentry {
  readonly kind: string;
  readonly level: string | null;
  readonly title: string;
  readonly traceId: string | null;
  readonly payload: unknown;
}

export interface SeenMetric {
  readonly before: number;
  readonly after: number;
  /** From before the run to the first reading after it, counter resets handled. */
  readonly change: number;
  /** Of the readings while the run lasted. */
  readonly highest: number;
  readonly lowest: number;
}

/** What a check found. */
export interface CheckFinding {
  readonly ok: boolean;
  /** What the evidence shows, in words; on a pass too. */
  readonly seen: string;
}
