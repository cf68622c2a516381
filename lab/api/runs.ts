import type { Mode } from "#scenarios/mode.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";
import type { Check, CheckState, JudgedBy } from "./checks.ts";

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

/**
 * `driving` → `settling` (driver ended, telemetry may still arrive) → `settled`; `expired` when its
 * time ran out first, `abandoned` when its driver went away without a word.
 */
export type RunState = "driving" | "settling" | "settled" | "expired" | "abandoned";
/** Nothing will change its verdict any more. */
export const isOver = ({ state }: { readonly state: RunState }): boolean =>
  state !== "driving" && state !== "settling";

/** Services that may show a run as well. */
export const linkedServices = ["grafana", "tempo", "loki", "prometheus"] as const;
/** Where else a run can be looked at; without `href`: where it could be once, and why no longer. */
export type RunLink =
  | { readonly label: string; readonly href: string }
  | { readonly label: string; readonly href: null; readonly why: string };

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
  /** Made from the rest when the run is read, and from where the services are then. */
  readonly links: readonly RunLink[];
  /** What it ran on: the lab, Node, and every service that was there. Not in records of earlier labs. */
  readonly versions?: Readonly<Record<string, string>>;
  /** Not in records of earlier labs. */
  readonly judgedBy?: JudgedBy;
  /** A run of a self-test, whose telemetry may have been broken on purpose. */
  readonly selfTest?: true;
}
/** Which runs are meant; absent: all. */
export interface RunsFilter {
  readonly scenario?: string | undefined;
  readonly mode?: Mode | undefined;
  /** `other`: neither passed nor failed. */
  readonly verdict?: "pass" | "fail" | "other" | undefined;
  /** Part of a scenario, run or trace id. */
  readonly q?: string | undefined;
}
/**
 * `GET` {@link routes.runs}, newest first; query {@link RunsFilter}, `before` (a run id: only older
 * ones), `limit` (1 to 500, default 100).
 */
export interface RunsBody {
  readonly runs: readonly RunRecord[];
  /** How many the filter is true of, on all pages. */
  readonly total: number;
}
/** Answer of `POST` and `DELETE` {@link routes.pin}. */
export interface PinnedBody {
  readonly pinnedRuns: readonly string[];
}
