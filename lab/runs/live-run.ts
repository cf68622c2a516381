import { isDeepStrictEqual } from "node:util";
import type { Expectation } from "#scenarios/expectation.ts";
import type { Observation } from "../api/run-request.ts";
import type { SignalId } from "../api/runs.ts";
import type { Evidence } from "../judge/evidence.ts";
import type { StoreSource } from "../sources/store.ts";
import type { TraceGrowth } from "../store/contract.ts";
import { type Backends, type Confirmed, unanswered } from "./backends.ts";
import {
  closeJudgement,
  evidenceOf,
  type Judgement,
  judgeConfirmed,
  judgedBy,
  judgeRun,
  mayImprove,
  withConfirmed,
  withLeftBehind,
} from "./judgement.ts";
import { openLabComparison } from "./lab-comparison.ts";
import { metricChanges, metricLights } from "./metric-changes.ts";
import type { MetricWatch } from "./metric-watch.ts";
import type { KeptRun } from "./records.ts";
import { withRestarts, withSignals } from "./run-record.ts";
import { isRootSeen, signalsSeen, spanCount } from "./telemetry.ts";
import { openTelemetryReader } from "./telemetry-reader.ts";

export interface LiveRun {
  readonly record: () => KeptRun;
  /** Everything gathered so far, as the judge reads it. */
  readonly evidence: () => Evidence;
  readonly observe: (observation: Observation) => void;
  /** A trace grew that may be this run's. */
  readonly grew: (growth: TraceGrowth) => void;
  /** Messages may have been missed: read everything anew. */
  readonly reread: () => void;
  /** @param exitCode of the process that is replaced; null where it is not known. */
  readonly restarted: (component: string, times: number, exitCode: number | null) => void;
  /** Tells that a service changed, so that a run that waits for its recovery can end. */
  readonly servicesChanged: () => void;
  /** Nothing is broken any more: what was held back may only come now. */
  readonly calmed: () => void;
  /** Its driver went away: it ends as what it was, once what it began is still. */
  readonly abandon: () => void;
  /** Ends all timers; the run stays as it is. */
  readonly close: () => void;
}

export interface LiveRunOptions {
  readonly record: KeptRun;
  /** When the run is closed as it is, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly source: StoreSource;
  /** Whose word counts in the end; the store's alone when undefined. */
  readonly backends?: Backends | undefined;
  /** What the scenario declares, for all its modes. */
  readonly expect: readonly Expectation[];
  /** Only where the scenario expects something of a metric. */
  readonly metrics: MetricWatch | undefined;
  /** Has what the run broke ended, and are the services that it holds leases on ready again? */
  readonly recovered: () => boolean;
  /** What is not as it was before the run, in words; asked once it recovered, again while there is something. */
  readonly compare?: (() => Promise<readonly string[]>) | undefined;
  /** Called once, when the driver says it ended, or is gone. */
  readonly onDriven?: (() => void) | undefined;
  readonly onChange: (record: KeptRun) => void;
  /** Called once, when the run is settled, expired or abandoned. */
  readonly onEnd: () => void;
  /** Called once, when nothing more is taken in. */
  readonly onGone: () => void;
  readonly patience?: Patience;
}

/** All in milliseconds. */
export interface Patience {
  /** Silence after the last telemetry that ends a run: twice what stragglers of the app may take. */
  readonly quietMs: number;
  /** How long the driver's own root span may take to arrive before the run ends without it. */
  readonly rootWithinMs: number;
  /** After the driver's end a run that is quiet still waits so long for what its checks miss. */
  readonly missingWithinMs: number;
  /** After its end a run still takes late telemetry into its counts. */
  readonly tailMs: number;
}
const usualPatience: Patience = {
  quietMs: 500,
  rootWithinMs: 4_000,
  missingWithinMs: 2_500,
  tailMs: 30_000,
};

/** Traces with more spans are judged at the end only: it takes too long to do on every change. */
const judgedLiveSpans = 5_000;

/**
 * The life of one run: `driving` until the driver says it ended, `settling` until its telemetry has
 * come and is still, then `settled`, or `abandoned` where the driver went away before its end; or
 * `expired` at the deadline. Moved by events only: what the driver reports, what the store's feed
 * says, services that change; timers are deadlines.
 *
 * Its checks are judged on every change, for the last time when it settles. What comes later is
 * counted and shown, and does not change the verdict.
 */
export function openLiveRun(options: LiveRunOptions): LiveRun {
  const { source, backends, expect, metrics, recovered, onChange, onEnd, onGone } = options;
  const { quietMs, rootWithinMs, missingWithinMs, tailMs } = options.patience ?? usualPatience;
  let record = options.record;
  const reader = openTelemetryReader({
    source,
    run: () => record,
    onTraces: (found) => change(withTraces([...record.traceIds, ...found])),
    onRead: countTelemetry,
    onIdle: () => {
      if (record.state === "settling" && !isQuiet) waitForQuiet();
      settleIfStill();
    },
  });
  const { telemetry, unread } = reader;
  let isQuiet = false;
  let isAbandoned = false;
  let metricsRead: "no" | "under way" | "yes" = metrics === undefined ? "yes" : "no";
  const comparison = openLabComparison(options.compare, settleIfStill);
  let confirmed: Confirmed | undefined;
  let asking: AbortController | undefined;
  let calmAt = 0;
  let closed = false;
  let quiet: NodeJS.Timeout | undefined;
  let end = setTimeout(expire, Math.max(0, options.deadline - Date.now())).unref();

  const isOpen = (): boolean => record.state === "driving" || record.state === "settling";
  const evidence = (settled: boolean): Evidence =>
    evidenceOf(record, telemetry(), metrics, {
      ...{ settled, storeReachable: !unread() },
      judgedBy: judgedBy(backends, metrics),
    });

  function change(part: Partial<KeptRun>): void {
    const before = record;
    record = { ...record, ...part };
    if (isOpen() && spanCount(telemetry(), record.traceIds) <= judgedLiveSpans) {
      record = { ...record, ...judgeRun(expect, evidence(false)) };
    }
    if (!isDeepStrictEqual(before, record)) onChange(record);
  }

  /** The driver's trace comes first whenever it is told. */
  const withTraces = (traceIds: readonly string[]): Pick<KeptRun, "traceIds"> => ({
    traceIds: [...new Set(traceIds)],
  });

  function observe(observation: Observation): void {
    const ends = observation.ended === true && record.state === "driving";
    const own = observation.traceId === undefined ? [] : [observation.traceId];
    change({
      ...withTraces([...own, ...record.traceIds]),
      driver: observation.driver,
      answer: observation.answer ?? record.answer,
      page: { ...record.page, ...observation.page },
      ...(ends ? { state: "settling", endedAt: Date.now() } : {}),
    });
    if (ends) options.onDriven?.();
    reader.reread();
    waitForQuiet();
  }

  function abandon(): void {
    if (record.state !== "driving") return;
    isAbandoned = true;
    change({ state: "settling", endedAt: Date.now() });
    options.onDriven?.();
    reader.reread();
    waitForQuiet();
  }

  function grew(growth: TraceGrowth): void {
    const { traceId, runId } = growth;
    const known = record.traceIds.includes(traceId);
    if (runId !== record.runId && !known) return;
    if (!known) change(withTraces([...record.traceIds, traceId]));
    reader.grew(growth, known);
    waitForQuiet();
  }

  function countTelemetry(): void {
    change({
      counts: {
        spans: spanCount(telemetry(), record.traceIds),
        logs: telemetry().logs.length,
        sentry: telemetry().sentry.length,
      },
      ...lit(signalsSeen(telemetry())),
    });
  }

  const lit = (seen: ReadonlySet<SignalId>) =>
    withSignals(record, seen, Date.now() - record.startedAt);

  /** Silence is counted from the last thing that came, and only short once the trace has its top. */
  function waitForQuiet(): void {
    if (record.state !== "settling") return;
    isQuiet = false;
    asking?.abort();
    // What was told late was also counted late.
    if (metricsRead === "yes" && metrics !== undefined) metricsRead = "no";
    clearTimeout(quiet);
    const since = isRootSeen(telemetry()) ? quietMs : rootWithinMs;
    quiet = setTimeout(quieted, since).unref();
  }

  function quieted(): void {
    isQuiet = true;
    settleIfStill();
  }

  function settleIfStill(): void {
    const still = isQuiet && !reader.reading() && !unread();
    if (closed || record.state !== "settling" || !still || !recovered()) return;
    if (metricsRead !== "yes" && !isAbandoned) {
      if (metricsRead === "no") void readMetrics();
      return;
    }
    const left = Math.max(record.endedAt ?? 0, calmAt) + missingWithinMs - Date.now();
    const different = comparison.different();
    if (different === undefined || (different.length > 0 && left > 0)) {
      comparison.look();
      return;
    }
    if (isAbandoned) {
      finish("abandoned", judgedAsItIs(), different);
      return;
    }
    const judgement = judgeRun(expect, evidence(true));
    if (left > 0 && mayImprove(judgeRun(expect, evidence(false)), judgement)) {
      clearTimeout(quiet);
      quiet = setTimeout(quieted, left).unref();
      change({});
      return;
    }
    if (backends === undefined) finish("settled", judgement, different);
    else if (asking === undefined) void confirm(backends, different);
  }

  /** The store has all that will come: now the backends have the word. What comes meanwhile begins it anew. */
  async function confirm(by: Backends, different: readonly string[]): Promise<void> {
    asking = new AbortController();
    const { signal } = asking;
    const answer = await by.confirm(record, telemetry(), signal);
    asking = undefined;
    if (closed || record.state !== "settling") return;
    confirmed = answer;
    if (signal.aborted) settleIfStill();
    else finish("settled", judgeConfirmed(expect, evidence(true), confirmed), different);
  }

  async function readMetrics(): Promise<void> {
    metricsRead = "under way";
    await metrics?.readAfterEnd();
    change(lit(metricLights(metricChanges(evidence(true)))));
    metricsRead = isQuiet ? "yes" : "no";
    settleIfStill();
  }

  function expire(): void {
    if (isAbandoned) finish("abandoned", judgedAsItIs());
    else if (record.state === "settling") finish("settled", judgedAtLast());
    else if (record.state === "driving") finish("expired", judgedAsItIs());
  }

  const judgedAsItIs = (): Judgement => closeJudgement(judgeRun(expect, evidence(false)));

  /** Whoever was not asked by now did not answer in time. */
  function judgedAtLast(): Judgement {
    if (backends === undefined) return judgeRun(expect, evidence(true));
    confirmed ??= unanswered;
    return judgeConfirmed(expect, evidence(true), confirmed);
  }

  function finish(
    state: "settled" | "expired" | "abandoned",
    judgement: Judgement,
    different: readonly string[] = [],
  ): void {
    clearTimeout(quiet);
    clearTimeout(end);
    comparison.close();
    metrics?.close();
    asking?.abort();
    end = setTimeout(gone, tailMs).unref();
    onEnd();
    const last = withLeftBehind(judgement, different, expect.length);
    change({ ...last, state, endedAt: record.endedAt ?? Date.now() });
  }

  function close(): void {
    closed = true;
    reader.close();
    asking?.abort();
    metrics?.close();
    clearTimeout(quiet);
    comparison.close();
    clearTimeout(end);
  }

  function gone(): void {
    close();
    onGone();
  }

  record = { ...record, ...judgeRun(expect, evidence(false)) };
  return {
    record: () => record,
    evidence: () => {
      const known = evidence(record.state === "settled");
      return confirmed === undefined ? known : withConfirmed(known, confirmed);
    },
    observe,
    grew,
    reread: reader.reread,
    restarted: (component, times, exitCode) => {
      if (isOpen()) change(withRestarts(record, component, times, exitCode));
    },
    servicesChanged: settleIfStill,
    calmed: () => {
      calmAt = Date.now();
      reader.reread();
      waitForQuiet();
    },
    abandon,
    close,
  };
}
