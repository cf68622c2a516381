import { isDeepStrictEqual } from "node:util";
import type { Observation, RunRecord } from "../api.ts";
import type { StoreSource } from "../sources/store.ts";
import type { TraceGrowth } from "../store/contract.ts";
import { type Evidence, noEvidence, readEvidence, type Stale, signalsSeen } from "./evidence.ts";
import { linksOf } from "./links.ts";

export interface LiveRun {
  readonly record: () => RunRecord;
  readonly observe: (observation: Observation) => void;
  /** A trace grew that may be this run's. */
  readonly grew: (growth: TraceGrowth) => void;
  /** Messages may have been missed: read everything anew. */
  readonly reread: () => void;
  readonly restarted: (component: string, times: number) => void;
  /** Tells that a service changed, so that a run that waits for its recovery can end. */
  readonly servicesChanged: () => void;
  /** Ends all timers; the run stays as it is. */
  readonly close: () => void;
}

export interface LiveRunOptions {
  readonly record: RunRecord;
  /** When the run is closed as it is, in milliseconds since the epoch. */
  readonly deadline: number;
  readonly source: StoreSource;
  /** Are the services that the run holds leases on ready again? */
  readonly recovered: () => boolean;
  readonly onChange: (record: RunRecord) => void;
  /** Called once, when the run is settled or expired. */
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
  /** After its end a run still takes late telemetry into its counts. */
  readonly tailMs: number;
}
const usualPatience: Patience = { quietMs: 500, rootWithinMs: 5_000, tailMs: 30_000 };

const nothingStale: Stale = { traces: new Set(), logs: false, sentry: false };

/**
 * The life of one run: `driving` until the driver says it ended, `settling` until its telemetry has
 * come and is still, then `settled`; or `expired` at the deadline. Moved by events only: what the
 * driver reports, what the store's feed says, services that change; timers are deadlines.
 */
export function openLiveRun(options: LiveRunOptions): LiveRun {
  const { source, recovered, onChange, onEnd, onGone } = options;
  const { quietMs, rootWithinMs, tailMs } = options.patience ?? usualPatience;
  let record = options.record;
  let evidence: Evidence = noEvidence;
  let stale = nothingStale;
  let allStale = false;
  let reading = false;
  let unread = false;
  let isQuiet = false;
  let closed = false;
  let quiet: NodeJS.Timeout | undefined;
  let end = setTimeout(expire, Math.max(0, options.deadline - Date.now())).unref();

  const isOpen = (): boolean => record.state === "driving" || record.state === "settling";
  const rootSeen = (): boolean => evidence.traces.values().some((trace) => trace.rootSeen);

  function change(part: Partial<RunRecord>): void {
    const changed = { ...record, ...part };
    if (isDeepStrictEqual(changed, record)) return;
    record = changed;
    onChange(record);
  }

  /** The driver's trace comes first whenever it is told. */
  function withTraces(traceIds: readonly string[]): Pick<RunRecord, "traceIds" | "links"> {
    const distinct = [...new Set(traceIds)];
    return { traceIds: distinct, links: linksOf(distinct) };
  }

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
    reread();
    waitForQuiet();
  }

  function grew({ traceId, runId, spans, logs, sentry }: TraceGrowth): void {
    const known = record.traceIds.includes(traceId);
    if (runId !== record.runId && !known) return;
    if (!known) change(withTraces([...record.traceIds, traceId]));
    stale = {
      // A trace that is new to the run may have grown before anybody knew that it belongs here.
      traces: spans > 0 || !known ? new Set([...stale.traces, traceId]) : stale.traces,
      logs: stale.logs || logs > 0 || !known,
      sentry: stale.sentry || sentry > 0 || !known,
    };
    read();
    waitForQuiet();
  }

  function reread(): void {
    allStale = true;
    read();
  }

  /** One read at a time; what grows meanwhile is covered by one more. */
  function read(): void {
    if (!reading && !closed) void readWhileStale();
  }

  async function readWhileStale(): Promise<void> {
    reading = true;
    while (!closed && (allStale || stale !== nothingStale)) {
      // The store is away: its feed says hello when it is back, and that reads again.
      unread = !(await readOnce().then(
        () => true,
        () => false,
      ));
    }
    reading = false;
    if (record.state === "settling" && !isQuiet) waitForQuiet();
    settleIfStill();
  }

  async function readOnce(): Promise<void> {
    const all = allStale || unread;
    let now = stale;
    allStale = false;
    stale = nothingStale;
    if (all) {
      change(withTraces([...record.traceIds, ...(await source.tracesOf(record.runId))]));
      now = { traces: new Set(record.traceIds), logs: true, sentry: true };
    }
    const found = await readEvidence(source, record, now, evidence);
    if (closed) return;
    evidence = found;
    const spans = evidence.traces.values().reduce((sum, trace) => sum + trace.spans, 0);
    const seen = signalsSeen(evidence);
    const seenAfterMs = Date.now() - record.startedAt;
    change({
      counts: { spans, logs: evidence.logs, sentry: evidence.sentry },
      // A light keeps the time it was first seen.
      signals: record.signals.map((signal) =>
        signal.seenAfterMs === null && seen.has(signal.id) ? { ...signal, seenAfterMs } : signal,
      ),
    });
  }

  /** Silence is counted from the last thing that came, and only short once the trace has its top. */
  function waitForQuiet(): void {
    if (record.state !== "settling") return;
    isQuiet = false;
    clearTimeout(quiet);
    const since = rootSeen() ? quietMs : rootWithinMs;
    quiet = setTimeout(quieted, since).unref();
  }

  function quieted(): void {
    isQuiet = true;
    settleIfStill();
  }

  function settleIfStill(): void {
    const still = isQuiet && !reading && !unread;
    if (record.state === "settling" && still && recovered()) finish("settled");
  }

  function expire(): void {
    if (isOpen()) finish(record.state === "settling" ? "settled" : "expired");
  }

  function finish(state: "settled" | "expired"): void {
    clearTimeout(quiet);
    clearTimeout(end);
    end = setTimeout(gone, tailMs).unref();
    onEnd();
    change({ state, endedAt: record.endedAt ?? Date.now() });
  }

  function close(): void {
    closed = true;
    clearTimeout(quiet);
    clearTimeout(end);
  }

  function gone(): void {
    close();
    onGone();
  }

  return {
    record: () => record,
    observe,
    grew,
    reread,
    restarted: (component, times) => {
      const { restarts } = record;
      if (isOpen())
        change({ restarts: { ...restarts, [component]: (restarts[component] ?? 0) + times } });
    },
    servicesChanged: settleIfStill,
    close,
  };
}
