/**
 * The scenario language. A scenario is one file `scenarios/<group>/<name>.ts` with one default
 * export made by {@link defineScenario}: what goes wrong, and the telemetry it has to leave.
 *
 * Leaf module: type imports only, so that the page, the CLI and the judge can read a scenario
 * without loading the app.
 */
import type { Tracer } from "@opentelemetry/api";
import type { Logger } from "pino";
import type { Sql } from "postgres";
import type { Cache } from "./edges/cache.ts";
import type { ObjectStore } from "./edges/objects.ts";
import type { OrderEvents } from "./edges/order-events.ts";
import type { Visitor } from "./edges/visitor.ts";
import type { Workload } from "./edges/workload.ts";
import type { CheckFinding, RunEvidence } from "./run-evidence.ts";

export const groups = ["db", "cache", "s3", "auth", "run", "ui", "pipe"] as const;
/** First half of a scenario id, and the name of its folder. */
export type Group = (typeof groups)[number];

export const modes = ["fault", "control", "fix"] as const;
/** `fault` breaks it, `control` does the same work unbroken, `fix` shows the cure. */
export type Mode = (typeof modes)[number];

interface ParamWords {
  readonly label: string;
  /** What is worth knowing before it is changed: what it does, why its limits are where they are. */
  readonly help?: string;
}
export interface IntegerParam extends ParamWords {
  readonly kind: "integer";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  /** Unit shown behind the value, e.g. `ms`, `rows`. */
  readonly unit?: string;
}
export interface ChoiceParam<V extends string = string> extends ParamWords {
  readonly kind: "choice";
  readonly default: V;
  readonly options: readonly V[];
}
export interface FlagParam extends ParamWords {
  readonly kind: "flag";
  readonly default: boolean;
}
export type Param = IntegerParam | ChoiceParam | FlagParam;
export type ParamSpec = Readonly<Record<string, Param>>;
export type ParamValue = number | string | boolean;
/** The value type of one parameter: what `serve` receives. */
export type ValueOf<P extends Param> = P extends IntegerParam
  ? number
  : P extends ChoiceParam<infer V>
    ? V
    : boolean;
export type ValuesOf<S extends ParamSpec> = { readonly [K in keyof S]: ValueOf<S[K]> };

export const integer = (
  param: Omit<IntegerParam, "kind" | "step"> & { step?: number },
): IntegerParam => ({
  kind: "integer",
  step: 1,
  ...param,
});
export const choice = <const V extends string>(
  param: Omit<ChoiceParam<V>, "kind">,
): ChoiceParam<V> => ({
  kind: "choice",
  ...param,
});
export const flag = (param: Omit<FlagParam, "kind">): FlagParam => ({ kind: "flag", ...param });

/**
 * A literal to equal, or a comparison. Strings may hold `${params.x}`; a string of the form
 * `2*${params.n}` or `${params.n}+1` stands for the computed number.
 */
export type Comparison =
  | ParamValue
  | {
      readonly eq?: ParamValue;
      readonly ne?: ParamValue;
      readonly gt?: number | string;
      readonly gte?: number | string;
      readonly lt?: number | string;
      readonly lte?: number | string;
      readonly in?: readonly ParamValue[];
      /** Regular expression, at most 200 characters. */
      readonly matches?: string;
      readonly exists?: boolean;
    };
export type AttributeComparisons = Readonly<Record<string, Comparison>>;

export type SpanKind = "internal" | "server" | "client" | "producer" | "consumer";
export type SpanStatus = "unset" | "ok" | "error";

/** Which spans are meant. Every given predicate has to hold. */
export interface SpanSelector {
  readonly name?: Comparison;
  readonly service?: Comparison;
  readonly kind?: SpanKind;
  readonly status?: SpanStatus;
  readonly attributes?: AttributeComparisons;
  readonly resource?: AttributeComparisons;
  /** Milliseconds from start to end. */
  readonly durationMs?: Comparison;
  /** Milliseconds not covered by any child. */
  readonly selfTimeMs?: Comparison;
  /** An exception on the span, recorded as span event or as a log record of this span. */
  readonly exception?: { readonly type?: Comparison; readonly message?: Comparison };
  readonly childOf?: SpanSelector;
  readonly descendantOf?: SpanSelector;
  readonly noParent?: true;
  readonly linksTo?: SpanSelector;
}

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

/** Services that a scenario may kill, pause or stop. */
export type FaultService = "server" | "postgres" | "valkey" | "minio" | "keycloak" | "store";
/**
 * Connections of the app that the lab can break: each runs through a TCP proxy of the lab.
 * `collector` is where the app sends its OTLP.
 */
export type ProxyTarget = "postgres" | "valkey" | "minio" | "keycloak" | "collector";
/** What happens to bytes on their way, in the words of Toxiproxy (https://github.com/Shopify/toxiproxy#toxics). */
export type Toxic =
  /** Answers come so much later, ± jitter. */
  | { readonly kind: "latency"; readonly ms: number; readonly jitterMs?: number }
  /** Nobody listens: open connections are closed, new ones refused. */
  | { readonly kind: "down" }
  /** Open connections and new ones end in a TCP reset. */
  | { readonly kind: "reset" }
  /** Connections are accepted and nothing comes back. */
  | { readonly kind: "hang" }
  | { readonly kind: "bandwidth"; readonly kilobytesPerSecond: number }
  /** The end of a connection is passed on so much later. */
  | { readonly kind: "slow-close"; readonly ms: number }
  /** HTTP: every request is answered so by somebody in front of the service, which hears nothing. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly type: string;
      readonly body: string;
    };
/**
 * Something the lab breaks around the app while a run lasts, armed before its ticket is handed out.
 * Ends with the run, after `forMs`, or with the lab, whichever comes first.
 */
export type Fault =
  | {
      readonly kind: "proxy";
      readonly target: ProxyTarget;
      readonly toxic: Toxic;
      /** So long after the arming; default at once. */
      readonly afterMs?: number;
      /** Default: as long as the run. */
      readonly forMs?: number;
    }
  | {
      readonly kind: "service";
      readonly service: FaultService;
      /** `kill` is SIGKILL and a restart by the supervisor; `pause` stops the process where it stands; `stop` keeps it away. */
      readonly action: "kill" | "pause" | "stop";
      readonly afterMs?: number;
      readonly forMs?: number;
    };
interface FaultTime {
  readonly afterMs?: number;
  readonly forMs?: number;
}
const given = ({ afterMs, forMs }: FaultTime): FaultTime => ({
  ...(afterMs === undefined ? {} : { afterMs }),
  ...(forMs === undefined ? {} : { forMs }),
});
/** Faults on one of the app's connections: `proxy("valkey").latency({ ms: 300 })`. */
export const proxy = (target: ProxyTarget) => {
  const fault = (toxic: Toxic, time: FaultTime): Fault => ({
    kind: "proxy",
    target,
    toxic,
    ...given(time),
  });
  return {
    latency: ({ ms, jitterMs = 0, ...time }: { ms: number; jitterMs?: number } & FaultTime) =>
      fault({ kind: "latency", ms, jitterMs }, time),
    down: (time: FaultTime = {}) => fault({ kind: "down" }, time),
    reset: (time: FaultTime = {}) => fault({ kind: "reset" }, time),
    hang: (time: FaultTime = {}) => fault({ kind: "hang" }, time),
    bandwidth: ({ kilobytesPerSecond, ...time }: { kilobytesPerSecond: number } & FaultTime) =>
      fault({ kind: "bandwidth", kilobytesPerSecond }, time),
    slowClose: ({ ms, ...time }: { ms: number } & FaultTime) =>
      fault({ kind: "slow-close", ms }, time),
    answer: ({
      status,
      type,
      body,
      ...time
    }: { status: number; type: string; body: string } & FaultTime) =>
      fault({ kind: "answer", status, type, body }, time),
  } as const;
};
const serviceFault =
  (action: "kill" | "pause" | "stop") =>
  (service: FaultService, time: FaultTime = {}): Fault => ({
    kind: "service",
    service,
    action,
    ...given(time),
  });
export const kill = serviceFault("kill");
export const pause = serviceFault("pause");
export const stop = serviceFault("stop");

/** Something the machine or the user has to provide; without it the scenario is shown disabled. */
export type Requirement = "chromium" | "real valkey" | "s3 stand-in" | "signed-in";
/** Held alone while the run lasts: no other run that names it starts meanwhile. */
export type Lease =
  | "server"
  | "postgres"
  | "valkey"
  | "minio"
  | "keycloak"
  | "collector"
  | "metrics";
/** Services that have to be ready for a scenario besides those of its leases. */
export type Need = "valkey" | "minio" | "keycloak" | "prometheus" | "redis-exporter";

/** Breaks database connections with the fault role's own connection, outside the run's trace. */
export interface BackendKiller {
  /**
   * Terminates the backend that serves the app's statement whose text contains `marker`.
   * Resolves with the number of backends ended, once they are gone.
   */
  readonly terminate: (marker: string) => Promise<number>;
}

/** What the app hands to `serve`. Everything in it is the app's own, instrumented edge. */
export interface ServeContext<V> {
  readonly runId: string;
  readonly mode: Mode;
  readonly params: V;
  /** The app's postgres.js pool. Queries become spans. */
  readonly sql: Sql;
  /** Lines carry trace and span id by themselves. */
  readonly log: Logger;
  readonly tracer: Tracer;
  /** Calls a route of the app over HTTP, `traceparent` included. `path` starts with `/`. */
  readonly http: (path: string, init?: RequestInit) => Promise<Response>;
  readonly backends: BackendKiller;
  readonly cache: Cache;
  /** Product images in S3. */
  readonly objects: ObjectStore;
  /** Orders as they are placed, over publish and subscribe. */
  readonly orderEvents: OrderEvents;
  /** A new visitor of the app with no cookies yet, who speaks HTTP with it as a browser would. */
  readonly visitor: () => Visitor;
  /** Pools, deadlines, retries and processes of its own for one piece of work. */
  readonly workload: Workload;
  /** Tells Sentry of an error that was handled: the caller goes on. */
  readonly report: (error: unknown) => void;
  /** Aborted when the client goes away or the run's time is over. */
  readonly signal: AbortSignal;
}

export interface Scenario<S extends ParamSpec = ParamSpec> {
  /** `<group>.<name>`, the same words as the file's path. */
  readonly id: `${Group}.${string}`;
  readonly title: string;
  /** One line for the card: what breaks and where you will see it. */
  readonly summary: string;
  /** What breaks, where you see it, how teams fix it. Paragraphs are separated by a blank line. */
  readonly story: string;
  readonly params: S;
  readonly modes: readonly Mode[];
  readonly requires?: readonly Requirement[];
  readonly needs?: readonly Need[];
  readonly leases?: readonly Lease[];
  /** Upper bound of a run in milliseconds; default 10000. After it the run is closed as it is. */
  readonly timeoutMs?: number;
  /**
   * After how many milliseconds whoever drives the run gives up on its request and closes the
   * connection; undefined: waits for the answer.
   */
  readonly clientLeavesAfterMs?: (params: ValuesOf<S>, mode: Mode) => number | undefined;
  /** What the lab breaks around the app, and for how long. Never in mode `control`. */
  readonly faults?: (params: ValuesOf<S>, mode: "fault" | "fix") => readonly Fault[];
  /** Runs inside ordinary app code of the server. Never called by anyone who only lists scenarios. */
  readonly serve?: (context: ServeContext<ValuesOf<S>>) => Promise<unknown>;
  /** The browser part lives in `web/src/stages/<id>.svelte`. */
  readonly stage?: true;
  readonly expect: readonly Expectation[];
}

/** Keeps the literal types of `params`, so that `serve` sees `params.n` as a number. */
export const defineScenario = <const S extends ParamSpec>(scenario: Scenario<S>): Scenario<S> =>
  scenario;
