import type { MetricIndex } from "./metric-index.ts";
import { bytesOfRuns, pinnedRecords } from "./pinned-records.ts";
import type { Pins } from "./pins.ts";
import type { NewRecord, RecordPlace } from "./segment-format.ts";
import type { SegmentLog } from "./segment-log.ts";
import type { StoreIndex } from "./store.ts";

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

export const defaultRetention: Retention = {
  bytes: 2 * 1024 * 1024 * 1024,
  spans: 2_000_000,
  logs: 2_000_000,
  sentryItems: 200_000,
  metricPoints: 2_000_000,
  pinnedBytes: 256 * 1024 * 1024,
  pinnedRuns: 200,
};

/** What an eviction works on and tells. */
export interface Evicting {
  readonly index: StoreIndex & {
    readonly forgetBefore: (segment: number) => void;
    readonly takeGrowth: () => unknown;
  };
  readonly metrics: MetricIndex;
  readonly log: SegmentLog;
  readonly pins: Pins;
  readonly retention: Retention;
  readonly addAgain: (record: NewRecord, place: RecordPlace) => void;
  readonly drop: (reason: string) => void;
}

/** Drops oldest segments until what is left is within the retention. */
export function evict(parts: Evicting): void {
  const { index, metrics, log, retention } = parts;
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
    if (!evictSegment(parts, oldest.id)) return;
  }
}

/**
 * What pinned runs have in a segment is written anew, all of it or nothing, before the segment
 * goes. False when the disk does not take that: all stays then.
 */
function evictSegment(parts: Evicting, oldest: number): boolean {
  const { index, log, pins, retention, addAgain, drop } = parts;
  while (pins.runs().length > 0 && bytesOfRuns(index, pins.runs()) > retention.pinnedBytes) {
    pins.remove(pins.runs()[0] as string);
    drop("pin given up: pinned runs grew too large");
  }
  const records = pinnedRecords(index, oldest, pins.runs());
  let places: readonly RecordPlace[] = [];
  try {
    if (records.length > 0) places = log.appendCarry(oldest, records);
  } catch {
    drop("eviction put off: pinned runs not written");
    return false;
  }
  forgetUpTo(parts, oldest);
  log.drop(oldest);
  for (const [n, record] of records.entries()) addAgain(record, places[n] as RecordPlace);
  if (records.length > 0) index.takeGrowth();
  return true;
}

/** Forgets every row of this segment and those before it. */
export function forgetUpTo(
  {
    index,
    metrics,
  }: {
    readonly index: Pick<Evicting["index"], "forgetBefore">;
    readonly metrics: MetricIndex;
  },
  segment: number,
): void {
  index.forgetBefore(segment + 1);
  metrics.forgetBefore(segment + 1);
}
