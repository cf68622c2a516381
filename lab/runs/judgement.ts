import type { Expectation } from "#scenarios/expectation.ts";
import type { Check, JudgedBy } from "../api/checks.ts";
import type { RunRecord } from "../api/runs.ts";
import type { Evidence, SourceState } from "../judge/evidence.ts";
import { worst } from "../judge/finding.ts";
import { holdsIn, type JudgedCheck, judgeOne } from "../judge/judge.ts";
import { prepare } from "../judge/prepare.ts";
import type { Backends, Confirmed } from "./backends.ts";
import type { MetricWatch } from "./metric-watch.ts";
import type { KeptRun } from "./records.ts";
import { leftBehind } from "./snapshot.ts";
import type { Telemetry } from "./telemetry.ts";

/** What a run's record says of its checks. */
export type Judgement = Pick<RunRecord, "verdict" | "checks">;

/** Who tells what a run is judged by. */
export const judgedBy = (
  backends: Backends | undefined,
  metrics: MetricWatch | undefined,
): JudgedBy => ({
  traces: backends?.traces ?? "store",
  logs: backends?.logs ?? "store",
  metrics: metrics?.by ?? "metrics-endpoint",
  sentry: "store",
});

/** Everything known of a run, as the judge reads it. */
export function evidenceOf(
  record: KeptRun,
  telemetry: Telemetry,
  metrics: MetricWatch | undefined,
  state: {
    readonly settled: boolean;
    readonly storeReachable: boolean;
    readonly judgedBy: JudgedBy;
  },
): Evidence {
  const store: SourceState = state.storeReachable ? "ok" : "unreachable";
  return {
    runId: record.runId,
    mode: record.mode,
    params: record.params,
    traceIds: record.traceIds,
    traces: [...telemetry.traces.values()].map(({ trace }) => trace),
    logs: telemetry.logs,
    sentry: telemetry.sentry,
    metrics: metrics?.evidence() ?? null,
    ...(metrics?.services === undefined ? {} : { serviceMetrics: metrics.services() }),
    answer: record.answer,
    page: record.page,
    restarts: record.restarts,
    exitCodes: record.exitCodes,
    settled: state.settled,
    judgedBy: state.judgedBy,
    sources: {
      traces: store,
      logs: store,
      sentry: store,
      metrics: metrics === undefined || metrics.reachable() ? "ok" : "unreachable",
    },
  };
}

/** The same with the backends' word in the place of the store's. */
export const withConfirmed = (
  evidence: Evidence,
  { traces, logs, states }: Confirmed,
): Evidence => ({ ...evidence, traces, logs, sources: { ...evidence.sources, ...states } });

/** Judges what is declared for the run's mode. */
export function judgeRun(expectations: readonly Expectation[], evidence: Evidence): Judgement {
  const prepared = prepare(evidence);
  const checks = expectations.flatMap((expectation, index) =>
    holdsIn(expectation, evidence.mode) ? [checkOf(judgeOne(expectation, prepared, index))] : [],
  );
  return { checks, verdict: verdictOf(checks) };
}

const checkOf = ({ expected, verdict, ...judged }: JudgedCheck): Check => ({
  ...judged,
  title: expected,
  expected,
  state: verdict,
});

/**
 * Judges by the backends' evidence. Where the store's would have led to another verdict, and they
 * lack some of it, the check says so: what it wanted and only the store has is a failure, and what
 * passes only because they lack something is not shown.
 */
export function judgeConfirmed(
  expectations: readonly Expectation[],
  byStore: Evidence,
  confirmed: Confirmed,
): Judgement {
  const judged = judgeRun(expectations, withConfirmed(byStore, confirmed));
  const { lacking } = confirmed;
  if (lacking.length === 0) return judged;
  const known = judgeRun(expectations, byStore);
  const checks = judged.checks.map((check, position): Check => {
    const other = known.checks[position]?.state;
    const told = { ...check, seen: [check.seen ?? "nothing", ...lacking].join("; ") };
    if (check.state === "fail" && other === "pass") return told;
    return check.state === "pass" && other === "fail" ? { ...told, state: "inconclusive" } : check;
  });
  return { checks, verdict: verdictOf(checks) };
}

/** What of the evidence is missing may still come: nothing that has failed by now has failed for good. */
export function mayImprove(now: Judgement, ifSettled: Judgement): boolean {
  return ifSettled.checks.some(
    (check, position) => check.state === "fail" && now.checks[position]?.state === "pending",
  );
}

/** For a run that was closed before it settled: what still waits will never be known. */
export function closeJudgement({ checks }: Pick<Judgement, "checks">): Judgement {
  const closed = checks.map(
    (check): Check =>
      check.state === "pending"
        ? {
            ...check,
            state: "inconclusive",
            seen: `${check.seen ?? "nothing"}; then the run was closed`,
          }
        : check,
  );
  return { checks: closed, verdict: verdictOf(closed) };
}

/** As bad as the worst check; one that nobody judged leaves the run declared only. */
function verdictOf(checks: readonly Check[]): Judgement["verdict"] {
  const judged = checks.map(({ state }) => state).filter((state) => state !== "declared");
  return judged.length < checks.length ? "declared" : worst(judged);
}

/**
 * A run that left something behind fails, whatever its checks say.
 * @param different what it left, in words.
 * @param index of the check that says so.
 */
export const withLeftBehind = (
  judgement: Judgement,
  different: readonly string[],
  index: number,
): Judgement =>
  different.length === 0
    ? judgement
    : { checks: [...judgement.checks, leftBehind(different, index)], verdict: "fail" };
