import type { StoreSource } from "../sources/store.ts";
import type { TraceGrowth } from "../store/contract.ts";
import { noTelemetry, readTelemetry, type Stale, type Telemetry } from "./telemetry.ts";

/** Keeps what the store has of one run in hand: reads again what grew, one read at a time. */
export interface TelemetryReader {
  readonly telemetry: () => Telemetry;
  /** The last reading failed: what is in hand may be a part only. */
  readonly unread: () => boolean;
  readonly reading: () => boolean;
  /** @param known the trace was the run's before it grew. */
  readonly grew: (growth: TraceGrowth, known: boolean) => void;
  /** Messages may have been missed: read everything anew. */
  readonly reread: () => void;
  readonly close: () => void;
}

export interface TelemetryReaderOptions {
  readonly source: StoreSource;
  readonly run: () => { readonly runId: string; readonly traceIds: readonly string[] };
  /** Traces that carry the run's id. */
  readonly onTraces: (traceIds: readonly string[]) => void;
  /** Something was read. */
  readonly onRead: () => void;
  /** Nothing is left to read, or the store is away. */
  readonly onIdle: () => void;
}

const nothingStale: Stale = { traces: new Set(), logs: false, sentry: false };

export function openTelemetryReader(options: TelemetryReaderOptions): TelemetryReader {
  const { source, run, onTraces, onRead, onIdle } = options;
  let telemetry: Telemetry = noTelemetry;
  let stale = nothingStale;
  let allStale = false;
  let reading = false;
  let unread = false;
  let closed = false;

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
    onIdle();
  }

  async function readOnce(): Promise<void> {
    const all = allStale || unread;
    let now = stale;
    allStale = false;
    stale = nothingStale;
    if (all) {
      onTraces(await source.tracesOf(run().runId));
      now = { traces: new Set(run().traceIds), logs: true, sentry: true };
    }
    const found = await readTelemetry(source, run(), now, telemetry);
    if (closed) return;
    telemetry = found;
    unread = false;
    onRead();
  }

  return {
    telemetry: () => telemetry,
    unread: () => unread,
    reading: () => reading,
    grew: ({ traceId, spans, logs, sentry }, known) => {
      stale = {
        // A trace that is new to the run may have grown before anybody knew that it belongs here.
        traces: spans > 0 || !known ? new Set([...stale.traces, traceId]) : stale.traces,
        logs: stale.logs || logs > 0 || !known,
        sentry: stale.sentry || sentry > 0 || !known,
      };
      read();
    },
    reread: () => {
      allStale = true;
      read();
    },
    close: () => {
      closed = true;
    },
  };
}
