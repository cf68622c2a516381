import { rowMask } from "./chunked-table.ts";
import type { StoreStats } from "./contract.ts";
import { type EnvelopeItem, readEnvelope } from "./envelope.ts";
import { addGroups, type GroupTable, groupTable, sequence } from "./group-table.ts";
import { type InternedText, internedText } from "./interned-text.ts";
import { logStage, scanLogs } from "./log-scan.ts";
import { type LogTable, logTable } from "./log-table.ts";
import { countMetricPoints } from "./metric-scan.ts";
import { type RunIndex, runIndex } from "./run-index.ts";
import type { ScanGroups } from "./scan-group.ts";
import {
  openSegmentLog,
  type RecordKind,
  type RecordPlace,
  recordKind,
  type SegmentLog,
} from "./segment-log.ts";
import { scanSpans, spanStage } from "./span-scan.ts";
import { type SpanTable, spanTable } from "./span-table.ts";
import { idWords, type TraceTable, traceTable } from "./trace-table.ts";

/** An envelope item that the store keeps, and where. */
export interface StoredItem extends EnvelopeItem {
  readonly seq: number;
  readonly receivedAt: number;
  readonly segment: number;
  /** Where the item's payload lies in the segment. */
  readonly offset: number;
  /** Number of its trace; 0 for none. */
  readonly trace: number;
}

/** What arrived for one trace. */
export interface Growth {
  spans: number;
  logs: number;
  sentry: number;
}

/** Called with what one request brought, by trace number, once it is durable and can be read. */
export type GrowthListener = (growth: ReadonlyMap<number, Readonly<Growth>>) => void;

/** Everything the read side looks at. */
export interface StoreIndex {
  readonly log: SegmentLog;
  readonly traces: TraceTable;
  readonly spans: SpanTable;
  readonly spanGroups: GroupTable;
  readonly logs: LogTable;
  readonly logGroups: GroupTable;
  readonly runs: RunIndex;
  readonly names: InternedText;
  readonly services: InternedText;
  /** Oldest first. */
  readonly items: readonly StoredItem[];
  /** Nanoseconds since the epoch that span starts count from: its low and high 32-bit word. */
  readonly base: { readonly low: number; readonly high: number };
}

export interface Store {
  readonly index: StoreIndex;
  /** Each writes, indexes, and tells how many items were refused. They throw on malformed bytes and on a failing disk; then nothing is kept. */
  readonly addTraces: (bytes: Buffer) => Promise<Accepted>;
  readonly addLogs: (bytes: Buffer) => Promise<Accepted>;
  readonly addMetrics: (bytes: Buffer) => Promise<Accepted>;
  readonly addEnvelope: (bytes: Buffer) => Promise<{ readonly eventId: string | null }>;
  readonly drop: (reason: string, count?: number) => void;
  readonly stats: () => StoreStats;
  readonly close: () => void;
}

export interface Accepted {
  readonly rejected: number;
}

export interface StoreOptions {
  readonly dir: string;
  readonly fsync?: boolean;
  readonly segmentBytes?: number;
  readonly now?: () => number;
  readonly grew?: GrowthListener;
}

const maxKeptNames = 100_000;
const defaultSegmentBytes = 64 * 1024 * 1024;

/** Opens the folder's store; what it holds is indexed again before this returns. */
export function openStore(options: StoreOptions): Store {
  const { dir, fsync = false, segmentBytes = defaultSegmentBytes, now = Date.now } = options;
  const traces = traceTable();
  const spans = spanTable();
  const spanGroups = groupTable();
  const logs = logTable();
  const logGroups = groupTable();
  const runs = runIndex();
  const names = internedText(maxKeptNames);
  const services = internedText(maxKeptNames);
  const items: StoredItem[] = [];
  const stagedSpans = spanStage();
  const stagedLogs = logStage();
  const dropped = new Map<string, number>();
  let trouble: string | null = null;
  let storedSpans = 0;
  let storedLogs = 0;
  const { grew = () => undefined } = options;
  /** What the request being indexed brought. */
  let growth = new Map<number, Growth>();

  const startedAt = BigInt(now()) * 1_000_000n;
  const base = {
    low: Number(startedAt & 0xffff_ffffn),
    high: Number(startedAt >> 32n),
  };

  const log = openSegmentLog({ dir, fsync, segmentBytes, now }, replay);
  // What was there before is no news.
  growth = new Map();
  for (const { what } of log.damage) drop(what);

  function replay(kind: RecordKind, payload: Buffer, place: RecordPlace): void {
    try {
      switch (kind) {
        case recordKind.traces:
          scanSpans(payload, stagedSpans);
          return indexSpans(payload, place);
        case recordKind.logs:
          scanLogs(payload, stagedLogs);
          return indexLogs(payload, place);
        case recordKind.metrics:
          return;
        case recordKind.envelope:
          return indexItems(readEnvelope(payload).items, place);
      }
    } catch {
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
      return place;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      trouble = code === "ENOSPC" || code === "EDQUOT" ? "disk full" : `disk error ${code}`;
      throw new StoreUnwritable(trouble, { cause: error });
    }
  }

  const serviceOf = (bytes: Uint8Array, groups: ScanGroups) => (group: number) =>
    services.intern(
      bytes,
      groups.serviceOffset[group] as number,
      groups.serviceLength[group] as number,
    );

  const runOf = (bytes: Buffer, offset: number, length: number): number =>
    length === 0 ? 0 : runs.number(bytes.toString("utf8", offset, offset + length));

  function joinRun(trace: number, run: number): void {
    if (run === 0 || trace === 0) return;
    const { run: known } = traces.entry();
    if (known[trace] === run) return;
    if (known[trace] === 0) known[trace] = run;
    runs.add(run, trace);
  }

  function grow(trace: number): Growth {
    const known = growth.get(trace);
    if (known !== undefined) return known;
    const fresh = { spans: 0, logs: 0, sentry: 0 };
    growth.set(trace, fresh);
    return fresh;
  }

  /** Waits until what was just indexed is durable, then tells the listener. */
  async function settle(): Promise<void> {
    const brought = growth;
    growth = new Map();
    await log.durable();
    if (brought.size > 0) grew(brought);
  }

  function indexSpans(bytes: Buffer, place: RecordPlace): void {
    const s = stagedSpans;
    const firstRow = spans.last() + 1;
    const firstGroup = addGroups(spanGroups, s.groups, place, firstRow, serviceOf(bytes, s.groups));
    for (let i = 0; i < s.count; i++) {
      const trace = traces.ensure(
        s.traceId[i * 4] as number,
        s.traceId[i * 4 + 1] as number,
        s.traceId[i * 4 + 2] as number,
        s.traceId[i * 4 + 3] as number,
      );
      const high = s.spanId[i * 2] as number;
      const low = s.spanId[i * 2 + 1] as number;
      // An exporter that got no answer sends again what is already here.
      if (spans.find(trace, high, low) !== 0) continue;
      const row = spans.push();
      const columns = spans.columnsOf(row);
      const at = row & rowMask;
      const group = firstGroup + (s.group[i] as number);
      columns.trace[at] = trace;
      columns.spanId[at * 2] = high;
      columns.spanId[at * 2 + 1] = low;
      columns.parentId[at * 2] = s.parentId[i * 2] as number;
      columns.parentId[at * 2 + 1] = s.parentId[i * 2 + 1] as number;
      const startLow = s.start[i * 2] as number;
      const startHigh = s.start[i * 2 + 1] as number;
      columns.start[at] = (startHigh - base.high) * 0x1_0000_0000 + (startLow - base.low);
      columns.duration[at] = Math.max(
        0,
        ((s.end[i * 2 + 1] as number) - startHigh) * 0x1_0000_0000 +
          ((s.end[i * 2] as number) - startLow),
      );
      columns.kind[at] = s.kind[i] as number;
      columns.status[at] = s.status[i] as number;
      columns.name[at] = names.intern(bytes, s.nameOffset[i] as number, s.nameLength[i] as number);
      columns.group[at] = group;
      columns.service[at] = spanGroups.columnsOf(group).service[group & rowMask] as number;
      columns.offset[at] = place.offset + (s.offset[i] as number);
      columns.length[at] = s.length[i] as number;
      const entry = traces.entry();
      columns.previous[at] = entry.lastSpan[trace] as number;
      entry.lastSpan[trace] = row;
      entry.spans[trace] = (entry.spans[trace] as number) + 1;
      spans.remember(row);
      storedSpans++;
      joinRun(trace, runOf(bytes, s.runOffset[i] as number, s.runLength[i] as number));
      grow(trace).spans++;
    }
  }

  function indexLogs(bytes: Buffer, place: RecordPlace): void {
    const s = stagedLogs;
    const firstRow = logs.last() + 1;
    const firstGroup = addGroups(logGroups, s.groups, place, firstRow, serviceOf(bytes, s.groups));
    for (let i = 0; i < s.count; i++) {
      const a = s.traceId[i * 4] as number;
      const b = s.traceId[i * 4 + 1] as number;
      const c = s.traceId[i * 4 + 2] as number;
      const d = s.traceId[i * 4 + 3] as number;
      const trace = (a | b | c | d) === 0 ? 0 : traces.ensure(a, b, c, d);
      const row = logs.push();
      const columns = logs.columnsOf(row);
      const at = row & rowMask;
      const group = firstGroup + (s.group[i] as number);
      const run = runOf(bytes, s.runOffset[i] as number, s.runLength[i] as number);
      columns.trace[at] = trace;
      columns.spanId[at * 2] = s.spanId[i * 2] as number;
      columns.spanId[at * 2 + 1] = s.spanId[i * 2 + 1] as number;
      columns.time[at * 2] = s.time[i * 2] as number;
      columns.time[at * 2 + 1] = s.time[i * 2 + 1] as number;
      columns.severity[at] = s.severity[i] as number;
      columns.run[at] = run;
      columns.group[at] = group;
      columns.service[at] = logGroups.columnsOf(group).service[group & rowMask] as number;
      columns.offset[at] = place.offset + (s.offset[i] as number);
      columns.length[at] = s.length[i] as number;
      storedLogs++;
      if (trace === 0) continue;
      const entry = traces.entry();
      columns.previous[at] = entry.lastLog[trace] as number;
      entry.lastLog[trace] = row;
      entry.logs[trace] = (entry.logs[trace] as number) + 1;
      joinRun(trace, run);
      grow(trace).logs++;
    }
  }

  function indexItems(parsed: readonly EnvelopeItem[], place: RecordPlace): void {
    for (const [position, item] of parsed.entries()) {
      const trace = item.traceId === null ? 0 : traces.ensure(...idWords(item.traceId));
      items.push({
        ...item,
        seq: sequence(place.ordinal, position),
        receivedAt: place.receivedAt,
        segment: place.segment,
        offset: place.offset + item.offset,
        trace,
      });
      if (trace !== 0) grow(trace).sentry++;
    }
  }

  return {
    index: {
      log,
      traces,
      spans,
      spanGroups,
      logs,
      logGroups,
      runs,
      names,
      services,
      items,
      base,
    },
    addTraces: async (bytes) => {
      scanSpans(bytes, stagedSpans);
      const { rejected } = stagedSpans;
      if (stagedSpans.count > 0) indexSpans(bytes, append(recordKind.traces, bytes));
      if (rejected > 0) drop("span with an invalid id", rejected);
      await settle();
      return { rejected };
    },
    addLogs: async (bytes) => {
      scanLogs(bytes, stagedLogs);
      const { rejected } = stagedLogs;
      if (stagedLogs.count > 0) indexLogs(bytes, append(recordKind.logs, bytes));
      if (rejected > 0) drop("log record with an invalid id", rejected);
      await settle();
      return { rejected };
    },
    addMetrics: async (bytes) => {
      if (countMetricPoints(bytes) > 0) append(recordKind.metrics, bytes);
      await settle();
      return { rejected: 0 };
    },
    addEnvelope: async (bytes) => {
      const envelope = readEnvelope(bytes);
      if (envelope.ignored > 0) drop("Sentry item of a kind not kept", envelope.ignored);
      if (envelope.items.length > 0) indexItems(envelope.items, append(recordKind.envelope, bytes));
      await settle();
      return { eventId: envelope.eventId };
    },
    drop,
    stats: () => ({
      spans: storedSpans,
      traces: traces.count(),
      logs: storedLogs,
      sentryItems: items.length,
      bytes: log.bytes(),
      dropped: Object.fromEntries(dropped),
      trouble,
    }),
    close: () => log.close(),
  };
}

/** The disk takes nothing at the moment; the sender should try again. */
export class StoreUnwritable extends Error {
  override readonly name = "StoreUnwritable";
}
