import type { FaultService } from "./fault.ts";
import type { Mode } from "./mode.ts";
import type { CheckFinding, RunEvidence } from "./run-evidence.ts";
import type { AttributeComparisons, Comparison, SpanSelector } from "./span-selector.ts";

/** Why a check matters and what to look at when it fails. Both are shown to the user. */
export interface Reason {
  readonly why: string;
  readonly hint: string;
  /** Modes it holds in; default: `["fault"]`. */
  readonly modes?: readonly Mode[];
}

export interface SpanExpectation extends Reason {
  readonly signal: "span";
  readonly select: SpanSelector;
  /** How many match; default `{ gte: 1 }`. `0` means absent. */
  readonly count?: Comparison;
  /** Must hold for every selected span. No selected span is a failure, not a pass. */
  readonly every?: SpanSelector;
  /** Number of distinct values of one attribute over the selected spans. */
  readonly distinct?: { readonly attribute: string; readonly count: Comparison };
}
/** Holds when every `first` span stands in the relation to at least one `second`, and there is a `first`. */
export interface OrderExpectation extends Reason {
  readonly signal: "order";
  readonly first: SpanSelector;
  readonly relation: "before" | "overlaps" | "within" | "ends-after-parent";
  readonly second: SpanSelector;
}
export interface TraceExpectation extends Reason {
  readonly signal: "trace";
  readonly traces?: Comparison;
  readonly roots?: Comparison;
  readonly orphans?: Comparison;
  /** Services that have at least one span. */
  readonly services?: readonly string[];
}
export interface MetricExpectation extends Reason {
  readonly signal: "metric";
  /** Sample name as exposed, suffix included, e.g. `http_server_request_duration_seconds_count`. */
  readonly name: string;
  /** What the real program calls it where `name` is a stand-in's: the first that is exposed counts. */
  readonly aliases?: readonly string[];
  readonly labels?: Readonly<Record<string, Comparison>>;
  /** Change from arming to the first reading after the end, counter resets handled. */
  readonly delta?: Comparison;
  /** Highest value read during the run. */
  readonly max?: Comparison;
  /** The value at the end equals the value at arming. */
  readonly returnsTo?: "baseline";
  /** An exemplar on this metric names a trace of this run. */
  readonly exemplar?: true;
}
export type Severity = "trace" | "debug" | "info" | "warn" | "error" | "fatal";
export interface LogExpectation extends Reason {
  readonly signal: "log";
  readonly service?: Comparison;
  readonly severity?: Severity;
  readonly body?: Comparison;
  readonly attributes?: AttributeComparisons;
  readonly count?: Comparison;
  /** Carries the run's trace id and the id of one of its spans. */
  readonly correlated?: true;
}
export interface SentryExpectation extends Reason {
  readonly signal: "sentry";
  readonly item: "event" | "log" | "transaction";
  /** Name of the transaction; of a log, its body; of an event, the transaction it happened in. */
  readonly name?: Comparison;
  /** `service.name` or `server_name` side of the item: which SDK sent it. */
  readonly service?: Comparison;
  readonly level?: Comparison;
  readonly mechanism?: Comparison;
  readonly handled?: boolean;
  readonly exception?: { readonly type?: Comparison; readonly message?: Comparison };
  readonly count?: Comparison;
  /** Belongs to the run's trace. */
  readonly sameTrace?: true;
}
export interface AnswerExpectation extends Reason {
  readonly signal: "answer";
  /** HTTP status the driver saw; `0` when the connection broke. */
  readonly status?: Comparison;
  readonly durationMs?: Comparison;
}
export interface PageExpectation extends Reason {
  readonly signal: "page";
  /** Name of an observation that the stage reports, e.g. `fallback`. */
  readonly observation: string;
  readonly value: Comparison;
}
export interface ComponentExpectation extends Reason {
  readonly signal: "component";
  readonly component: FaultService;
  /** Restarts during the run. */
  readonly restarts?: Comparison;
  /** Of every exit during the run; without an exit only `exists: false` holds. */
  readonly exitCode?: Comparison;
}
/** A number that one signal gives of a run. */
export type Quantity =
  /** How many spans. */
  | { readonly spans: SpanSelector }
  /** How much a metric changed. */
  | {
      readonly metric: Pick<MetricExpectation, "name" | "aliases" | "labels">;
    }
  /** How many log lines. */
  | {
      readonly logs: Pick<
        LogExpectation,
        "service" | "severity" | "body" | "attributes" | "correlated"
      >;
    }
  /** How many Sentry items. */
  | {
      readonly sentry: Omit<SentryExpectation, keyof Reason | "signal" | "count">;
    };
/** Two or more signals tell the same number. */
export interface AgreeExpectation extends Reason {
  readonly signal: "agree";
  readonly of: readonly Quantity[];
  /** Largest difference between any two of them; default 0. */
  readonly within?: number | string;
}
/**
 * No credential is anywhere in the run's spans, logs, metrics and Sentry items: tokens, cookies,
 * passwords, signatures of links, keys, in whatever field.
 */
export interface SecretsExpectation extends Reason {
  readonly signal: "secrets";
  /** Values that were planted begin with this text; each is a credential too. */
  readonly planted?: string;
  /** How many different ones are found; default 0. */
  readonly count?: Comparison;
}
/**
 * What cannot be said as data. It is judged once, when the run has settled, and has to be pure. As
 * JSON only its words are left.
 */
export interface CheckExpectation extends Reason {
  readonly signal: "check";
  /** What has to hold, in one line. */
  readonly title: string;
  /** What it looks at; default: traces. Without one of them it is not judged. */
  readonly reads?: readonly ("traces" | "logs" | "sentry" | "metrics")[];
  readonly check?: (evidence: RunEvidence) => CheckFinding;
}
/** What the lab must be able to see after a run. Data: it can be shown before anything runs. */
export type Expectation =
  | SpanExpectation
  | OrderExpectation
  | TraceExpectation
  | MetricExpectation
  | LogExpectation
  | SentryExpectation
  | AnswerExpectation
  | PageExpectation
  | ComponentExpectation
  | AgreeExpectation
  | SecretsExpectation
  | CheckExpectation;
