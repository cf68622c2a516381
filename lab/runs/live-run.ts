import type { Observation, RunRecord, SignalSeen } from "../api.ts";
import type { StoreSource } from "../sources/store.ts";
import type { TraceGrowth } from "../store/contract.ts";
import { distinct, type EvidenceSummary, summarize } from "./evidence.ts";
import { linksOf } from "./links.ts";

/** Silence after the last telemetry that ends a run: twice what stragglers of the app may take. */
const quietMs = 500;
/** How long the driver's own root span may take to arrive before the run ends without it. */
const rootWithinMs = 5_000;
/** After its end a run still takes late telemetry into its counts. */
const tailMs = 30_000;

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
}

/**
 * The life of one run: `driving` until the driver says it ended, `settling` until its telemetry has
 * come and is still, then `settled`; or `expired` at the deadline. Moved by events only: what the
 * driver reports, what the store's feed says, services that change; timers are deadlines.
 */
export function openLiveRun(options: LiveRunOptions): LiveRun {
  const { source, recovered, onChange, onEnd, onGone } = options;
  let record = options.record;
  let rootSeen = false;
  let reading = false;
  let dirty = false;
  let closed = false;
  let quiet: NodeJS.Timeout | undefined;
  let isQuiet = false;
  let end = setTimeout(expire, Math.max(0, options.deadline - Date.now())).unref();

  const isOpen = (): boolean => record.state === "driving" || record.state === "settling";

  function change(part: Partial<RunRecord>): void {
    record = { ...record, ...part };
    onChange(record);
  }

  function observe(observation: Observation): void {
    const ends = observation.ended === true && record.state === "driving";
    const traceIds = observation.traceId
      ? [...new Set([observation.traceId, ...record.traceIds])]
      : record.traceIds;
    change({
      driver: observation.driver,
      traceIds,
      links: linksOf(traceIds),
      answer: observation.answer ?? record.answer,
      page: { ...record.page, ...observation.page },
      ...(ends ? { state: "settling", endedAt: Date.now() } : {}),
    });
    reread();
    waitForQuiet();
  }

  function grew(growth: TraceGrowth): void {
    if (growth.runId !== record.runId && !record.traceIds.includes(growth.traceId)) return;
    if (!record.traceIds.includes(growth.traceId)) addTraces([growth.traceId]);
    reread();
    waitForQuiet();
  }

  function addTraces(found: readonly string[]): void {
    const traceIds = [...new Set([...record.traceIds, ...found])];
    if (traceIds.length > record.traceIds.length)
      record = { ...record, traceIds, links: linksOf(traceIds) };
  }

  /** One read at a time; what arrives meanwhile is covered by one more. */
  function reread(): void {
    dirty = true;
    if (!reading && !closed) void readWhileDirty();
  }

  async function readWhileDirty(): Promise<void> {
    reading = true;
    while (dirty && !closed) {
      dirty = false;
      // The store is away: its feed says hello when it is back, and that reads again.
      await readOnce().catch(() => undefined);
    }
    reading = false;
    settleIfStill();
  }

  async function readOnce(): Promise<void> {
    addTraces(await source.tracesOf(record.runId));
    const keys = [{ run: record.runId }, ...record.traceIds.map((trace) => ({ trace }))];
    const [traces, logs, sentry] = await Promise.all([
      Promise.all(record.traceIds.map(source.trace)),
      Promise.all(keys.map(source.logs)),
      Promise.all(keys.map(source.sentry)),
    ]);
    if (closed) return;
    const summary = summarize({
      traces: traces.filter((trace) => trace !== undefined),
      logs: distinct(logs),
      sentry: distinct(sentry),
    });
    rootSeen ||= summary.rootSeen;
    change({ counts: summary.counts, signals: lit(record, summary, Date.now()) });
  }

  function waitForQuiet(): void {
    if (record.state !== "settling") return;
    isQuiet = false;
    clearTimeout(quiet);
    quiet = setTimeout(quieted, rootSeen ? quietMs : rootWithinMs).unref();
  }

  function quieted(): void {
    isQuiet = true;
    settleIfStill();
  }

  function settleIfStill(): void {
    if (record.state !== "settling" || reading) return;
    // The root came with this read: from here on the short silence is enough.
    if (!isQuiet && rootSeen && !shortened) {
      shortened = true;
      waitForQuiet();
    }
    if (isQuiet && recovered()) finish("settled");
  }
  let shortened = false;

  function expire(): void {
    if (isOpen()) finish(record.state === "settling" ? "settled" : "expired");
  }

  function finish(state: "settled" | "expired"): void {
    clearTimeout(quiet);
    clearTimeout(end);
    end = setTimeout(gone, tailMs).unref();
    record = { ...record, state, endedAt: record.endedAt ?? Date.now() };
    onEnd();
    onChange(record);
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
      if (!isOpen()) return;
      const { restarts } = record;
      change({ restarts: { ...restarts, [component]: (restarts[component] ?? 0) + times } });
    },
    servicesChanged: settleIfStill,
    close,
  };
}

/** A light stays as it was first seen. */
function lit(record: RunRecord, summary: EvidenceSummary, now: number): readonly SignalSeen[] {
  return record.signals.map((signal) =>
    signal.seenAfterMs === null && summary.seen.has(signal.id)
      ? { ...signal, seenAfterMs: now - record.startedAt }
      : signal,
  );
}
