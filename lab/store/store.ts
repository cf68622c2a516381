import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import type { StoreStats } from "./contract.ts";
import { MalformedEnvelope, readEnvelope } from "./envelope.ts";
import type { Growth } from "./growth.ts";
import { openIndex, type Tables } from "./indexing.ts";
import { logStage, scanLogs } from "./log-scan.ts";
import { type MetricIndex, metricIndex } from "./metric-index.ts";
import { scanMetrics } from "./metric-scan.ts";
import { bytesOfRuns, pinnedRecords } from "./pinned-records.ts";
import { openPins } from "./pins.ts";
import { MalformedProtobuf } from "./protobuf-reader.ts";
import { type RecordKind, type RecordPlace, recordKind } from "./segment-format.ts";
import { type LogPosition, openSegmentLog, type SegmentLog, segmentSizes } from "./segment-log.ts";
import { scanSpans, TooManyItems } from "./span-scan.ts";
import { spanStage } from "./span-stage.ts";

/** Called with what one request brought, by trace number, once it is durable and can be read. */
export type GrowthListener = (growth: ReadonlyMap<number, Readonly<Growth>>) => void;

/** Everything the read side looks at. */
export interface StoreIndex extends Tables {
  readonly log: SegmentLog;
  readonly metrics: MetricIndex;
}

export interface Store {
  readonly index: StoreIndex;
  /** Each writes, indexes, and tells how many items were refused. They throw on malformed bytes and on a failing disk; then nothing is kept. */
  readonly addTraces: (bytes: Buffer) => Promise<Accepted>;
  readonly addLogs: (bytes: Buffer) => Promise<Accepted>;
  readonly addMetrics: (bytes: Buffer) => Promise<Accepted>;
  readonly addEnvelope: (bytes: Buffer) => Promise<{ readonly eventId: string | null }>;
  /** Keeps the run's spans, logs and Sentry items from eviction, across restarts, too. Throws {@link PinRefused}. */
  readonly pin: (runId: string) => void;
  readonly unpin: (runId: string) => void;
  readonly drop: (reason: string, count?: number) => void;
  readonly stats: () => StoreStats;
  /** Saves the index when anything came since the last time, so that the next start is quick. */
  readonly checkpoint: () => void;
  readonly close: () => void;
}

export interface Accepted {
  readonly rejected: number;
}

export interface StoreOptions {
  readonly dir: string;
  readonly fsync?: boolean;
  readonly segmentBytes?: number;
  readonly retention?: Partial<Retention>;
  readonly now?: () => number;
  readonly grew?: GrowthListener;
}

/** What is kept at most. Beyond it the oldest segment goes, as a whole. */
export interface Retention {
  readonly bytes: number;
  readonly spans: number;
  readonly logs: number;
  readonly sentryItems: number;
  readonly metricPoints: number;
  /** Bytes and number of the pinned runs. */
  readonly pinnedBytes: number;
  readonly pinnedRuns: number;
}

const defaultSegmentBytes = 64 * 1024 * 1024;
const defaultRetention: Retention = {
  bytes: 2 * 1024 * 1024 * 1024,
  spans: 2_000_000,
  logs: 2_000_000,
  sentryItems: 200_000,
  metricPoints: 2_000_000,
  pinnedBytes: 256 * 1024 * 1024,
  pinnedRuns: 200,
};

/** Opens the folder's store; what it holds is indexed again before this returns. */
export function openStore(options: StoreOptions): Store {
  const { dir, fsync = false, segmentBytes = defaultSegmentBytes, now = Date.now } = options;
  const { grew = () => undefined } = options;
  const retention = { ...defaultRetention, ...options.retention };
  const sizes = segmentSizes(dir);
  const fits = ({ segment, offset }: LogPosition): boolean => (sizes.get(segment) ?? 0) >= offset;
  let index = openIndex(now());
  let metrics = metricIndex();
  const from = readCheckpoint(dir, fits, (json, fill) => {
    index.load(json, fill);
    metrics.load((json as { readonly metrics: unknown }).metrics, fill);
  });
  if (from === undefined) {
    index = openIndex(now());
    metrics = metricIndex();
  } else forgetBefore(Math.min(...sizes.keys()));
  const stagedSpans = spanStage();
  const stagedLogs = logStage();
  const dropped = new Map<string, number>();
  let trouble: string | null = null;
  const pins = openPins(dir, () => drop("pins not readable"));

  const log = openSegmentLog({ dir, fsync, segmentBytes, now, from }, replay);
  // What was there before is no news.
  index.takeGrowth();
  const whole: StoreIndex = { ...index, log, metrics };
  evict();
  for (const { what } of log.damage) drop(what);

  function replay(kind: RecordKind, payload: Buffer, place: RecordPlace): void {
    index.enter(place.segment);
    try {
      switch (kind) {
        case recordKind.traces:
          scanSpans(payload, stagedSpans);
          index.addSpans(payload, stagedSpans, place);
          break;
        case recordKind.logs:
          scanLogs(payload, stagedLogs);
          index.addLogs(payload, stagedLogs, place);
          break;
        case recordKind.metrics:
          metrics.add(payload, scanMetrics(payload), place);
          break;
        case recordKind.envelope:
          index.addItems(readEnvelope(payload).items, place);
          break;
      }
    } catch (error) {
      if (!isRefused(error)) throw error;
      // Written by a version with other rules, or damaged in a way the checksum did not see.
      drop("stored record not readable");
    }
  }

  function drop(reason: string, count = 1): void {
    dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  }

  function append(kind: RecordKind, payload: Uint8Array): RecordPlace {
    try {
      const place = log.append(kind, payload);
      trouble = null;
      index.enter(place.segment);
      return place;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      trouble = code === "ENOSPC" || code === "EDQUOT" ? "disk full" : `disk error ${code}`;
      throw new StoreUnwritable(trouble, { cause: error });
    }
  }

  function forgetBefore(segment: number): void {
    index.forgetBefore(segment);
    metrics.forgetBefore(segment);
  }

  function evict(): void {
    // Each segment is looked at once: what pins carry on would go round for ever.
    for (let rounds = log.segments().length; rounds > 0; rounds--) {
      const [oldest, next] = log.segments();
      const isOver =
        log.bytes() > retention.bytes ||
        index.counts.spans > retention.spans ||
        index.counts.logs > retention.logs ||
        index.items.length > retention.sentryItems ||
        metrics.count() > retention.metricPoints;
      if (!isOver || oldest === undefined || next === undefined) return;
      if (!evictSegment(oldest.id, next.id)) return;
    }
  }

  /**
   * Pinned runs are written anew before their segment goes. Killed in between, the store has their
   * logs and items twice; nothing is lost. False when the disk does not take them: all stays then.
   */
  function evictSegment(oldest: number, next: number): boolean {
    while (pins.runs().length > 0 && bytesOfRuns(whole, pins.runs()) > retention.pinnedBytes) {
      pins.remove(pins.runs()[0] as string);
      drop("pin given up: pinned runs grew too large");
    }
    const records = pinnedRecords(whole, oldest, pins.runs());
    let places: readonly RecordPlace[];
    try {
      places = records.map(({ kind, payload }) => log.append(kind, payload));
    } catch {
      drop("eviction put off: pinned runs not written");
      return false;
    }
    forgetBefore(next);
    log.drop(oldest);
    for (const [n, { kind, payload }] of records.entries())
      replay(kind, payload, places[n] as RecordPlace);
    if (records.length > 0) index.takeGrowth();
    return true;
  }

  function pin(runId: string): void {
    const pinned = pins.runs();
    if (pinned.includes(runId)) return;
    if (index.runs.traces(index.runs.find(runId)).size === 0) throw new PinRefused("unknown run");
    if (pinned.length >= retention.pinnedRuns) throw new PinRefused("too many", pinned[0]);
    if (bytesOfRuns(whole, [...pinned, runId]) > retention.pinnedBytes)
      throw new PinRefused("too large", pinned[0]);
    pins.add(runId);
  }

  let savedOrdinal = from?.ordinal ?? 0;
  function checkpoint(): void {
    const position = log.position();
    if (position.ordinal === savedOrdinal) return;
    try {
      writeCheckpoint(dir, position, (put) => ({
        ...(index.save(put) as object),
        metrics: metrics.save(put),
      }));
      savedOrdinal = position.ordinal;
    } catch {
      // It is only a shortcut; a disk that is full will show at the next append.
      drop("checkpoint not written");
    }
  }

  /** Waits until what was just indexed is durable, then tells the listener. */
  async function settle(): Promise<void> {
    const growth = index.takeGrowth();
    evict();
    await log.durable();
    if (growth.size > 0) grew(growth);
  }

  return {
    index: whole,
    addTraces: async (bytes) => {
      scanSpans(bytes, stagedSpans);
      const { rejected } = stagedSpans;
      if (stagedSpans.count > 0)
        index.addSpans(bytes, stagedSpans, append(recordKind.traces, bytes));
      if (rejected > 0) drop("span with an invalid id", rejected);
      await settle();
      return { rejected };
    },
    addLogs: async (bytes) => {
      scanLogs(bytes, stagedLogs);
      const { rejected } = stagedLogs;
      if (stagedLogs.count > 0) index.addLogs(bytes, stagedLogs, append(recordKind.logs, bytes));
      if (rejected > 0) drop("log record with an invalid id", rejected);
      await settle();
      return { rejected };
    },
    addMetrics: async (bytes) => {
      const scan = scanMetrics(bytes);
      if (scan.points > 0) {
        const tooMany = metrics.add(bytes, scan, append(recordKind.metrics, bytes));
        if (tooMany > 0) drop("metric point of a series too many", tooMany);
      }
      await settle();
      return { rejected: 0 };
    },
    addEnvelope: async (bytes) => {
      const envelope = readEnvelope(bytes);
      if (envelope.ignored > 0) drop("Sentry item of a kind not kept", envelope.ignored);
      if (envelope.items.length > 0)
        index.addItems(envelope.items, append(recordKind.envelope, bytes));
      await settle();
      return { eventId: envelope.eventId };
    },
    pin,
    unpin: pins.remove,
    drop,
    stats: () => ({
      spans: index.counts.spans,
      traces: index.traces.count(),
      logs: index.counts.logs,
      sentryItems: index.items.length,
      metricPoints: metrics.count(),
      bytes: log.bytes(),
      pinnedRuns: pins.runs(),
      dropped: Object.fromEntries(dropped),
      trouble,
    }),
    checkpoint,
    close: () => {
      checkpoint();
      log.close();
    },
  };
}

const isRefused = (error: unknown): boolean =>
  error instanceof MalformedProtobuf ||
  error instanceof MalformedEnvelope ||
  error instanceof TooManyItems;

/** The disk takes nothing at the moment; the sender should try again. */
export class StoreUnwritable extends Error {
  override readonly name = "StoreUnwritable";
}

/** Why a run is not pinned; `oldest` is the pin that would make room. */
export class PinRefused extends Error {
  override readonly name = "PinRefused";
  readonly why: "unknown run" | "too many" | "too large";
  readonly oldest: string | undefined;

  constructor(why: PinRefused["why"], oldest?: string) {
    super(why);
    this.why = why;
    this.oldest = oldest;
  }
}
