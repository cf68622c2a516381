import type { EvidenceSource, JudgedBy } from "#lab/api/checks.ts";
import type { LogRecord } from "#lab/api/logs.ts";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import type { SentryItem } from "#lab/api/sentry.ts";
import type { MetricReading } from "#lab/sources/metrics.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";

/**
 * What became of asking a source. `unreachable`: it should answer and does not.
 * `absent`: this lab has no such source by design.
 */
export type SourceState = "ok" | "unreachable" | "absent";

export interface MetricEvidence {
  /** Read when the run was armed. */
  readonly baseline: MetricReading | null;
  /** Read while the run lasted, in order of time; may be empty. */
  readonly during: readonly MetricReading[];
  /** The newest one. Once `settled`, it was read after the run's end. */
  readonly latest: MetricReading | null;
}

/** What one service besides the app exposed. */
export interface ServiceMetrics extends MetricEvidence {
  readonly service: string;
  /** How the names of its own metrics begin. */
  readonly prefixes: readonly string[];
  readonly state: SourceState;
  /** Who told of them. Not in evidence of earlier labs. */
  readonly by?: EvidenceSource;
}

/** Everything the lab knows about one run. Plain data: it can be stored, changed and judged again. */
export interface Evidence {
  readonly runId: string;
  readonly mode: Mode;
  readonly params: Readonly<Record<string, ParamValue>>;
  /** Traces known to be the run's, the driver's first. Others belong to it by run id or link. */
  readonly traceIds: readonly string[];
  readonly traces: readonly OtlpTrace[];
  readonly logs: readonly LogRecord[];
  readonly sentry: readonly SentryItem[];
  /** Of the app. */
  readonly metrics: MetricEvidence | null;
  /** Of services with metrics of their own, as far as the run is about them. */
  readonly serviceMetrics?: readonly ServiceMetrics[];
  /** What the driver's request was answered; null while the driver has not told. */
  readonly answer: RunRecord["answer"];
  /** What the stage observed, by name. */
  readonly page: Readonly<Record<string, ParamValue>>;
  /** Restarts per component while the run lasted. */
  readonly restarts: Readonly<Record<string, number>>;
  /** Exit codes per component while the run lasted, in order; 128 + n when signal n ended it. */
  readonly exitCodes: Readonly<Record<string, readonly number[]>>;
  /** The run is over and nothing more is to be expected: roots ended, spans stable, metrics read again. */
  readonly settled: boolean;
  readonly sources: Readonly<Record<"traces" | "logs" | "sentry" | "metrics", SourceState>>;
  /** Not in evidence of earlier labs. */
  readonly judgedBy?: JudgedBy;
}
