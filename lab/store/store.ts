import type { StoreBody } from "#lab/api/store.ts";
import { readCheckpoint, writeCheckpoint } from "./checkpoint.ts";
import { MalformedEnvelope, readEnvelope } from "./envelope.ts";
import { defaultRetention, evict, forgetUpTo, type Retention } from "./eviction.ts";
import type { Growth } from "./growth.ts";
import { openIndex, type Tables } from "./indexing.ts";
import { logStage, scanLogs } from "./log-scan.ts";
import { type CutRequest, cutLongValues, longestValue } from "./long-values.ts";
import { type MetricIndex, metricIndex } from "./metric-index.ts";
import { scanMetrics } from "./metric-scan.ts";
import { logsRequest, type Message, metricsRequest, tracesRequest } from "./otlp-schema.ts";
import { bytesOfRuns } from "./pinned-records.ts";
import { openPins } from "./pins.ts";
import { MalformedProtobuf } from "./protobuf-reader.ts";
import type { ScanGroups } from "./scan-group.ts";
import {
  type NewRecord,
  type RecordKind,
  type RecordPlace,
  readCarry,
  recordKind,
} from "./segment-format.ts";
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
  readonly stats: () => StoreBody;
  /** Saves the index when anything came since the last time, so that the next start is quick. */
  readonly checkpoint: () => void;
  readonly close: () => void;
}

export interface Accepted {
  readonly rejected: number;
  /** Attribute values kept without their end. */
  readonly cut: number;
}

export interface StoreOptions {
  readonly dir: string;
  readonly fsync?: boolean;
  readonly segmentBytes?: number;
  readonly retention?: Partial<Retention>;
  readonly now?: () => number;
  readonly grew?: GrowthListener;
}

const defaultSegmentBytes = 64 * 1024 * 1024;

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
  } else forgetUpTo({ index, metrics }, Math.min(...sizes.keys()) - 1);
  const stagedSpans = spanStage();
  const stagedLogs = logStage();
  const dropped = new Map<string, number>();
  let trouble: string | null = null;
  let valuesCut = 0;
  const pins = openPins(dir, () => drop("pins not readable"));

  /** Segments whose pinned runs lie elsewhere now, found while the log is replayed. */
  const replaced: number[] = [];
  const log = openSegmentLog({ dir, fsync, segmentBytes, now, from }, replay);
  // What was there before is no news.
  index.takeGrowth();
  const whole = { ...index, log, metrics };
  const evicting = {
    ...{ index: whole, metrics, log, pins, retention },
    addAgain: ({ kind, payload }: NewRecord, place: RecordPlace) =>
      replay(kind, payload as Buffer, place),
    drop: (reason: string) => drop(reason),
  };
  for (const segment of replaced) log.drop(segment);
  evict(evicting);
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
        case recordKind.carry: {
          const { segment } = readCarry(payload);
          forgetUpTo({ index, metrics }, segment);
          replaced.push(segment);
          break;
        }
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
    evict(evicting);
    await log.durable();
    if (growth.size > 0) grew(growth);
  }

  /** The request without the ends of attribute values that are too long. */
  function shortened(sent: Buffer, { mayBeLong }: ScanGroups, message: Message): CutRequest {
    const result = mayBeLong ? cutLongValues(sent, message) : { bytes: sent, cut: 0 };
    valuesCut += result.cut;
    return result;
  }

  return {
    index: whole,
    addTraces: async (sent) => {
      scanSpans(sent, stagedSpans);
      const { bytes, cut } = shortened(sent, stagedSpans.groups, tracesRequest);
      if (cut > 0) scanSpans(bytes, stagedSpans);
      const { rejected } = stagedSpans;
      if (stagedSpans.count > 0)
        index.addSpans(bytes, stagedSpans, append(recordKind.traces, bytes));
      if (rejected > 0) drop("span with an invalid id", rejected);
      await settle();
      return { rejected, cut };
    },
    addLogs: async (sent) => {
      scanLogs(sent, stagedLogs);
      const { bytes, cut } = shortened(sent, stagedLogs.groups, logsRequest);
      if (cut > 0) scanLogs(bytes, stagedLogs);
      const { rejected } = stagedLogs;
      if (stagedLogs.count > 0) index.addLogs(bytes, stagedLogs, append(recordKind.logs, bytes));
      if (rejected > 0) drop("log record with an invalid id", rejected);
      await settle();
      return { rejected, cut };
    },
    addMetrics: async (sent) => {
      const asSent = scanMetrics(sent);
      const { bytes, cut } = shortened(sent, asSent.groups, metricsRequest);
      const scan = cut > 0 ? scanMetrics(bytes) : asSent;
      if (scan.points > 0) {
        const tooMany = metrics.add(bytes, scan, append(recordKind.metrics, bytes));
        if (tooMany > 0) drop("metric point of a series too many", tooMany);
      }
      await settle();
      return { rejected: 0, cut };
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
      noted: {
        [`attribute value cut at ${longestValue} bytes`]: valuesCut,
        "span more than a day off its arrival": index.counts.farOff,
        "log record more than a day off its arrival": index.counts.farOffLogs,
      },
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
