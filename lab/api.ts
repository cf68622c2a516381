/**
 * The HTTP contract of the front door, as schemas and the types made from them.
 * The page imports this file and nothing else of the lab.
 *
 * Times are milliseconds since the epoch unless the name says otherwise; trace ids are 32 and span
 * ids 16 lower-case hex digits.
 */
import * as v from "valibot";
import type { Expectation, Mode, ParamSpec, ParamValue, Requirement } from "#scenarios/define.ts";
import { serviceIds } from "./services/ids.ts";

export const routes = {
  status: "/lab/api/status",
  scenarios: "/lab/api/scenarios",
  runs: "/lab/api/runs",
  run: (runId: string) => `/lab/api/runs/${runId}`,
  evidence: (runId: string) => `/lab/api/runs/${runId}/evidence`,
  insights: (runId: string) => `/lab/api/runs/${runId}/insights`,
  /** `RunMetricsBody`. */
  runMetrics: (runId: string) => `/lab/api/runs/${runId}/metrics`,
  observations: (runId: string) => `/lab/api/runs/${runId}/observations`,
  trace: (traceId: string) => `/lab/api/traces/${traceId}`,
  /** Up to 100 spans of a trace, ids joined by commas, as `OtlpTrace`. */
  spans: (traceId: string, spanIds: string) => `/lab/api/traces/${traceId}/spans/${spanIds}`,
  /** POST keeps the run's telemetry from eviction, DELETE no longer. */
  pin: (runId: string) => `/lab/api/runs/${runId}/pin`,
  red: "/lab/api/red",
  /** `SearchBody`; query `q` (TraceQL), `limit` (1 to 1000, default 20), `start` and `end` in seconds since the epoch. */
  search: "/lab/api/search",
  /** `TagsBody`: what TraceQL can ask for. */
  tags: "/lab/api/tags",
  /** `TagValuesBody`, of a name with its scope, e.g. `span.http.route`. */
  tagValues: (name: string) => `/lab/api/tags/${encodeURIComponent(name)}`,
  /** `StoreBody`. */
  store: "/lab/api/store",
  logs: "/lab/api/logs",
  sentry: "/lab/api/sentry",
  metrics: "/lab/api/metrics",
  service: (id: string, action: ServiceAction) => `/lab/api/services/${id}/${action}`,
  serviceLog: (id: string) => `/lab/api/services/${id}/log`,
  events: "/lab/api/events",
  account: "/lab/api/account",
  links: "/lab/api/links",
  /** `SelfTestBody`. */
  selfTest: "/lab/api/self-test",
  ingestTraces: "/lab/ingest/v1/traces",
  ingestLogs: "/lab/ingest/v1/logs",
  ingestMetrics: "/lab/ingest/v1/metrics",
  ingestEnvelope: "/lab/ingest/envelope",
  health: "/healthz",
} as const;

export const traceIdSchema = v.pipe(v.string(), v.regex(/^(?!0{32})[0-9a-f]{32}$/));
export const runIdSchema = v.pipe(v.string(), v.regex(/^[0-9a-z]{26}$/));
const modeSchema = v.picklist(["fault", "control", "fix"]);
const paramValueSchema = v.union([v.number(), v.string(), v.boolean()]);

/** Every error answer. No stack, SQL or path ever; `traceId` where there is one. */
export const errorBodySchema = v.object({
  error: v.object({
    code: v.string(),
    message: v.string(),
    hint: v.string(),
    traceId: v.optional(v.string()),
  }),
});
export type ErrorBody = v.InferOutput<typeof errorBodySchema>;

/**
 * Where a service is in its life. `waiting`: for a dependency. `unavailable`: no provider works
 * here. `crash-looping`: no more tries until somebody restarts it.
 */
export const serviceStateSchema = v.picklist([
  "waiting",
  "preparing",
  "starting",
  "ready",
  "backing-off",
  "crash-looping",
  "stopping",
  "stopped",
  "unavailable",
]);
export type ServiceState = v.InferOutput<typeof serviceStateSchema>;

export const serviceStatusSchema = v.object({
  id: v.picklist(serviceIds),
  title: v.string(),
  /** What it is for, in one line. */
  role: v.string(),
  state: serviceStateSchema,
  kind: v.picklist(["real", "stand-in", "absent"]),
  /** What it really is, e.g. `18.4 (npm)`. */
  version: v.nullable(v.string()),
  url: v.nullable(v.string()),
  port: v.nullable(v.number()),
  pid: v.nullable(v.number()),
  /** When the present process was spawned. */
  startedAt: v.nullable(v.number()),
  /** From spawn (or preparation) to ready. */
  startMs: v.nullable(v.number()),
  restarts: v.number(),
  /** How its last process ended, 128 + n for signal n; null while none has ended. */
  exitCode: v.nullable(v.number()),
  /** Long step under way, e.g. `seeding orders`, with its share done from 0 to 1. */
  progress: v.nullable(v.object({ step: v.string(), done: v.number() })),
  /** The container it runs in, where it runs in one. */
  container: v.optional(
    v.object({
      name: v.string(),
      image: v.string(),
      /** Of the image: `sha256:…`; null for one that never was in a registry. */
      digest: v.nullable(v.string()),
      /** What its own check says; null where the image has nothing to check with. */
      health: v.nullable(v.picklist(["starting", "healthy", "unhealthy"])),
      /** In use, without what the kernel could drop; null before the first look. */
      memoryBytes: v.nullable(v.number()),
      memoryLimitBytes: v.nullable(v.number()),
    }),
  ),
  /** Why it is not ready, or what to know about it. */
  note: v.nullable(v.string()),
});
export type ServiceStatus = v.InferOutput<typeof serviceStatusSchema>;
export type ServiceAction = "restart" | "stop" | "start";

export interface StatusBody {
  readonly runtime: "embedded" | "compose";
  readonly version: string;
  readonly origin: string;
  readonly startedAt: number;
  readonly services: readonly ServiceStatus[];
}

export const verdicts = ["pass", "fail", "pending", "inconclusive", "not-applicable"] as const;
export type Verdict = (typeof verdicts)[number];
/** `declared`: of a run from before checks were judged. */
export type CheckState = Verdict | "declared";

/** One predicate held against what came nearest. */
export interface Tick {
  /** Field it looks at, e.g. `name` or `attributes.db.query.text`. */
  readonly predicate: string;
  readonly expected: string;
  readonly seen: string;
  readonly ok: boolean;
}

/** What came closest to what was expected, or stands in its way. */
export interface NearestMiss {
  readonly kind: "span" | "log" | "sentry" | "metric";
  readonly title: string;
  /** For a link; null where the thing belongs to no trace. */
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly ticks: readonly Tick[];
}

/** Who told the lab what it judges by. */
export const evidenceSourceTitle = {
  store: "the store",
  "store-as-tempo": "the store's Tempo API",
  tempo: "Tempo",
  loki: "Loki",
  prometheus: "Prometheus",
  "metrics-endpoint": "/metrics",
} as const;
export type EvidenceSource = keyof typeof evidenceSourceTitle;
/** Who told what a run is judged by, per signal. Of the metrics: who told the app's. */
export type JudgedBy = Readonly<Record<"traces" | "logs" | "metrics" | "sentry", EvidenceSource>>;

/** Shows what a check looked at, when it is put to the backend by hand. */
export interface EvidenceQuery {
  readonly language: "traceql" | "logql" | "promql" | "http";
  readonly text: string;
  /** Who was asked. Absent where it is about the run's record, or about several sources. */
  readonly asked?: EvidenceSource;
  /** Where its answer can be seen: of the lab's own, or of the backend's. Absent while the run lasts. */
  readonly href?: string;
}

export interface Check {
  /** Position among the scenario's expectations. */
  readonly index: number;
  readonly title: string;
  readonly signal: Expectation["signal"];
  readonly state: CheckState;
  readonly why: string;
  readonly hint: string;
  /** What was asked for, with the run's parameters filled in. From here on: absent until it was judged. */
  readonly expected?: string;
  /** What the evidence shows. */
  readonly seen?: string;
  /** Null on a pass, and where nothing at all comes near. */
  readonly nearest?: NearestMiss | null;
  readonly query?: EvidenceQuery;
}

/** A pattern in a run's spans that is worth a look, found by rule and not by chance. */
export interface Insight {
  readonly rule:
    | "n-plus-one"
    | "pool-wait"
    | "retry-storm"
    | "sequential-work"
    | "cache-misses"
    | "gap";
  /** What was found, with its numbers. */
  readonly title: string;
  /** What it means and what teams do about it. */
  readonly detail: string;
  /** Milliseconds it is about, for the order. */
  readonly costMs: number;
  /** The spans that show it, at most 50. */
  readonly spans: readonly { readonly traceId: string; readonly spanId: string }[];
}
/** `GET` {@link routes.insights}. */
export interface InsightsBody {
  readonly insights: readonly Insight[];
}

/** What one metric of the app, or of a service beside it, did while a run lasted. */
export interface MetricSeries {
  readonly service: string;
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary" | "unknown";
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, oldest first: from before the run to after its end. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
  /** Points at a span of this run. */
  readonly exemplar: {
    readonly traceId: string;
    readonly spanId: string | null;
    readonly value: number;
  } | null;
}
/** `GET` {@link routes.runMetrics}: the series that changed, those with an exemplar of the run first. */
export interface RunMetricsBody {
  /** False where the scenario expects nothing of metrics, which are not read then. */
  readonly read: boolean;
  readonly series: readonly MetricSeries[];
}

/** One light of the signal strip. `metric`: one that changed; `exemplar`: one that names a trace of the run. */
export const signalIds = [
  "browser-span",
  "server-span",
  "store-span",
  "metric",
  "exemplar",
  "log",
  "sentry-event",
] as const;
export type SignalId = (typeof signalIds)[number];
export interface SignalSeen {
  readonly id: SignalId;
  /** Milliseconds from the run's start until the lab could read it; null while unseen. */
  readonly seenAfterMs: number | null;
}

export const observationSchema = v.object({
  driver: v.picklist(["lab-web", "lab-cli"]),
  /** Trace the driver's root span belongs to. */
  traceId: v.optional(traceIdSchema),
  /** What the scenario request answered. `status` 0: the connection broke. */
  answer: v.optional(
    v.object({
      status: v.number(),
      durationMs: v.number(),
      error: v.optional(v.pipe(v.string(), v.maxLength(500))),
    }),
  ),
  /** What a stage saw, by name. */
  page: v.optional(v.record(v.pipe(v.string(), v.maxLength(60)), paramValueSchema)),
  /** The driver's root span has ended: nothing more is to be expected from it. */
  ended: v.optional(v.boolean()),
});
export type Observation = v.InferOutput<typeof observationSchema>;

/** Whose word counts when a run is judged: the store's, or that of the backends a team would look into. */
export const judgeChoices = ["store", "backends"] as const;
export type JudgeChoice = (typeof judgeChoices)[number];

export const createRunSchema = v.strictObject({
  scenario: v.string(),
  mode: v.optional(modeSchema, "fault"),
  params: v.optional(v.record(v.string(), paramValueSchema), {}),
  seed: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0xffffffff))),
  /** It is about the checks, not about the scenario: its verdict does not count as the scenario's. */
  selfTest: v.optional(v.boolean()),
  /** Whose word counts. Default: what the lab was started with. */
  judge: v.optional(v.picklist(judgeChoices)),
  /** How long it may wait for what another run holds, in ms, before it is refused for it. */
  waitMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(60_000)), 0),
});
export type CreateRun = v.InferInput<typeof createRunSchema>;
/** `waitMs` of what a person starts: longer than runs take to settle, those that restart a service included. */
export const waitForOthersMs = 20_000;

export interface CreatedRun {
  readonly runId: string;
  readonly ticket: string;
  readonly drive: {
    readonly method: "POST";
    readonly path: string;
    /** The driver closes the connection so long after it was asked, without an answer. */
    readonly leaveAfterMs?: number;
  };
  /** The driver has to mount the scenario's stage instead of, or besides, calling `drive`. */
  readonly stage: boolean;
}

/** `driving` → `settling` (driver ended, telemetry may still arrive) → `settled`; `expired` when its time ran out first. */
export type RunState = "driving" | "settling" | "settled" | "expired";

export interface RunRecord {
  readonly runId: string;
  readonly scenario: string;
  readonly mode: Mode;
  readonly params: Readonly<Record<string, ParamValue>>;
  readonly seed: number;
  readonly state: RunState;
  readonly driver: "lab-web" | "lab-cli" | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** The driver's trace first, then others that carry the run id. */
  readonly traceIds: readonly string[];
  readonly answer: {
    readonly status: number;
    readonly durationMs: number;
    readonly error?: string | undefined;
  } | null;
  readonly page: Readonly<Record<string, ParamValue>>;
  readonly counts: { readonly spans: number; readonly logs: number; readonly sentry: number };
  readonly signals: readonly SignalSeen[];
  /** Restarts per component while the run lasted. */
  readonly restarts: Readonly<Record<string, number>>;
  /** Exit codes per component while the run lasted, in order; 128 + n when signal n ended it. */
  readonly exitCodes: Readonly<Record<string, readonly number[]>>;
  readonly verdict: CheckState;
  readonly checks: readonly Check[];
  readonly links: readonly { readonly label: string; readonly href: string }[];
  /** What it ran on: the lab, Node, and every service that was there. Not in records of earlier labs. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Not in records of earlier labs. */
  readonly judgedBy?: JudgedBy;
  /** A run of a self-test, whose telemetry may have been broken on purpose. */
  readonly selfTest?: true;
}

export interface ScenarioCard {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly story: string;
  readonly params: ParamSpec;
  readonly modes: readonly Mode[];
  readonly requires: readonly Requirement[];
  readonly stage: boolean;
  readonly expect: readonly Expectation[];
  /** One line per expectation, in the same order. */
  readonly expectTitles: readonly string[];
  /** Why it cannot run now; null when it can. */
  readonly disabled: string | null;
  /** Newest first, at most ten. */
  readonly lastRuns: readonly Pick<
    RunRecord,
    "runId" | "mode" | "state" | "verdict" | "startedAt" | "endedAt"
  >[];
}

/** `GET` {@link routes.scenarios}, in catalogue order. */
export interface ScenariosBody {
  readonly scenarios: readonly ScenarioCard[];
}
/** `GET` {@link routes.runs}, newest first; query `scenario`, `limit` (1 to 500, default 100). */
export interface RunsBody {
  readonly runs: readonly RunRecord[];
}
/** `GET` {@link routes.account}: how to sign in at the lab's identity provider. */
export interface AccountBody {
  readonly username: string;
  /** Of this clone alone, and good for nothing else. */
  readonly password: string;
}
/** `GET /api/me`, answered by the app. */
export interface MeBody {
  /** Null when nobody is signed in. */
  readonly user: {
    readonly id: string;
    readonly username: string;
    readonly name: string;
    readonly email: string;
  } | null;
  readonly session: { readonly since: number; readonly endsAt: number } | null;
  /** Who is signed in cannot be told: Valkey does not answer. */
  readonly degraded: "sessions" | null;
}
/** Answer of `POST` {@link routes.links}. */
export interface LinkBody {
  /** Where to send a person: the lab's origin, or with `--token` a new link that works once. */
  readonly link: string;
}
/** `GET` {@link routes.serviceLog}, oldest first; query `lines` (1 to 2000, default 200). */
export interface ServiceLogBody {
  readonly lines: readonly string[];
}
/** What a self-test found of a mutant: `none` where a scenario leaves nothing that it could break. */
export type MutantOutcome = "caught" | "missed" | "none";
export interface MutantRow {
  readonly id: string;
  readonly title: string;
  /** By scenario; not there where it was not tried. */
  readonly cells: Readonly<Record<string, MutantOutcome>>;
  /** `missed`: no scenario noticed, though one left something to break. */
  readonly outcome: MutantOutcome;
}
/** Positions of the fault's expectations that a control run fails, as it should, and that it meets too. */
export interface ControlOutcome {
  readonly failed: readonly number[];
  readonly met: readonly number[];
}
export interface SelfTestMatrix {
  /** Made by hand in recorded evidence. */
  readonly mutants: readonly MutantRow[];
  /** Switched on in the running app. */
  readonly live: readonly MutantRow[];
  /** By scenario. */
  readonly control: Readonly<Record<string, ControlOutcome | null>>;
  /** Checks that failed on no mutant and in no other mode, by scenario: they cannot fail. */
  readonly vacuous: Readonly<Record<string, readonly number[]>>;
}
/** `GET` {@link routes.selfTest}: the last one of the whole catalogue; null when there was none. */
export interface SelfTestBody {
  readonly selfTest: {
    /** When it ended, in milliseconds since the epoch. */
    readonly at: number;
    readonly durationMs: number;
    /** Of the order in which scenarios were run. */
    readonly seed: number;
    readonly runs: number;
    readonly matrix: SelfTestMatrix;
  } | null;
}
/** Answer of a service action: the row after it. */
export interface ServiceBody {
  readonly service: ServiceStatus;
}

/** OTLP/JSON as in opentelemetry-proto 1.x, ids as hex (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding). */
export interface OtlpAnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  /** 64-bit integers are strings. */
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly OtlpAnyValue[] };
  readonly kvlistValue?: { readonly values?: readonly OtlpKeyValue[] };
  readonly bytesValue?: string;
}
export interface OtlpKeyValue {
  readonly key: string;
  readonly value?: OtlpAnyValue;
}
export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind?: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly OtlpKeyValue[];
  readonly droppedAttributesCount?: number;
  readonly droppedEventsCount?: number;
  readonly events?: readonly {
    readonly timeUnixNano: string;
    readonly name: string;
    readonly attributes?: readonly OtlpKeyValue[];
  }[];
  readonly links?: readonly {
    readonly traceId: string;
    readonly spanId: string;
    readonly attributes?: readonly OtlpKeyValue[];
  }[];
  /** Code 0 unset, 1 ok, 2 error. */
  readonly status?: { readonly code?: number; readonly message?: string };
}
export interface OtlpTrace {
  /** Ids of spans that start or end more than a day before or after they arrived: their clock is wrong. */
  readonly farOff?: readonly string[];
  readonly resourceSpans: readonly {
    readonly resource?: { readonly attributes?: readonly OtlpKeyValue[] };
    readonly scopeSpans: readonly {
      readonly scope?: { readonly name?: string; readonly version?: string };
      readonly spans: readonly OtlpSpan[];
    }[];
  }[];
}

export interface LogRecord {
  /** Unique and ascending in order of arrival. */
  readonly seq: number;
  /** Nanoseconds since the epoch, as decimal text. */
  readonly timeUnixNano: string;
  readonly severity: "trace" | "debug" | "info" | "warn" | "error" | "fatal";
  readonly body: string;
  readonly service: string;
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Its time lies more than a day from its arrival: the sender's clock is wrong. */
  readonly farOff?: true;
}
export interface LogsBody {
  readonly logs: readonly LogRecord[];
}

export interface SentryItem {
  readonly seq: number;
  readonly kind: "event" | "log" | "transaction" | "session" | "client_report" | "metric";
  readonly receivedAt: number;
  readonly traceId: string | null;
  readonly spanId: string | null;
  /** `derived` transactions are made by the store from spans, as Sentry does from OTLP. */
  readonly origin: "sdk" | "derived";
  readonly level: string | null;
  /** Exception type and message, log body, or transaction name. */
  readonly title: string;
  /** The item's payload as sent. */
  readonly payload: unknown;
}
/** A data point of a metric that came by OTLP. */
export interface MetricPoint {
  /** Ascends in order of arrival. */
  readonly seq: number;
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram" | "exponentialHistogram" | "summary";
  readonly temporality: "delta" | "cumulative" | null;
  readonly service: string;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly timeUnixNano: string;
  /** Of a gauge or a sum; null for the other kinds and for what is no finite number. */
  readonly value: number | null;
  /** The point as OTLP/JSON without its attributes: buckets, quantiles, exemplars. */
  readonly point: unknown;
}
export interface MetricsBody {
  readonly points: readonly MetricPoint[];
}
export interface SentryBody {
  readonly items: readonly SentryItem[];
}

/** Rate, errors and durations of one operation of one service, computed from all its spans. */
export interface RedRow {
  readonly service: string;
  readonly name: string;
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer";
  readonly count: number;
  /** Per second over the window. */
  readonly rate: number;
  readonly errors: number;
  /** Milliseconds; each within 3 % of the exact value. */
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}
/** `GET` {@link routes.red}, busiest first; query `seconds` (default 300), `service`, `limit` (default 500). */
export interface RedBody {
  readonly seconds: number;
  /** One row per service, all operations together: `name` is empty and `kind` unspecified. */
  readonly services: readonly RedRow[];
  readonly operations: readonly RedRow[];
}

/** `GET` {@link routes.search}, newest first, in the words of Tempo's search. */
export interface SearchBody {
  readonly traces: readonly {
    readonly traceID: string;
    readonly rootServiceName: string;
    readonly rootTraceName?: string;
    readonly startTimeUnixNano: string;
    /** Whole milliseconds; absent below one. */
    readonly durationMs?: number;
    readonly spanSet?: {
      /** Spans the query is true of; `spans` holds the first of them. */
      readonly matched: number;
      readonly spans: readonly { readonly spanID: string }[];
    };
    readonly serviceStats?: Readonly<
      Record<string, { readonly spanCount: number; readonly errorCount?: number }>
    >;
  }[];
}
/** `GET` {@link routes.tags}. */
export interface TagsBody {
  readonly scopes: readonly { readonly name: string; readonly tags: readonly string[] }[];
}
/** `GET` {@link routes.tagValues}. */
export interface TagValuesBody {
  readonly tagValues: readonly { readonly type: string; readonly value?: string }[];
}

/** `GET` {@link routes.store}: what the store holds and what it could not take as sent. */
export interface StoreBody {
  readonly spans: number;
  readonly traces: number;
  readonly logs: number;
  readonly sentryItems: number;
  readonly metricPoints: number;
  readonly bytes: number;
  /** Ids of the runs kept from eviction, oldest pin first. */
  readonly pinnedRuns: readonly string[];
  /** Kept, but not as it was sent or not as it can be, by reason. */
  readonly noted: Readonly<Record<string, number>>;
  /** Refused or lost, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Set while writes fail, e.g. `disk full`. */
  readonly trouble: string | null;
}
/** Answer of `POST` and `DELETE` {@link routes.pin}. */
export interface PinnedBody {
  readonly pinnedRuns: readonly string[];
}

/** What `/lab/api/events` streams, one JSON object per SSE message; its SSE id is the sequence number. */
export type LabEvent =
  | { readonly type: "service"; readonly service: ServiceStatus }
  | { readonly type: "run"; readonly run: RunRecord }
  | {
      readonly type: "telemetry";
      readonly traceId: string;
      readonly runId: string | null;
      readonly spans: number;
      readonly logs: number;
      readonly sentry: number;
    }
  /** The client missed messages: read everything anew. */
  | { readonly type: "resync" };
