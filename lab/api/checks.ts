import type { Expectation } from "#scenarios/expectation.ts";

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
  /** Where its answer can be seen now: of the lab's own, or of the backend's. Absent while the run lasts, and where nobody has it any more. */
  readonly href?: string;
  /** Why not with whoever was asked, in a sentence. */
  readonly note?: string;
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
