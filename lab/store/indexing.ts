import type { LoadArrays, SaveArrays } from "./checkpoint.ts";
import { rowMask } from "./chunked-table.ts";
import type { EnvelopeItem } from "./envelope.ts";
import { addGroups, type GroupTable, groupTable, sequence } from "./group-table.ts";
import { type InternedText, internedText } from "./interned-text.ts";
import type { LogStage } from "./log-scan.ts";
import { type LogTable, logTable } from "./log-table.ts";
import { type RunIndex, runIndex } from "./run-index.ts";
import type { ScanGroups } from "./scan-group.ts";
import type { RecordPlace } from "./segment-log.ts";
import type { SpanStage } from "./span-stage.ts";
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

/** The index in memory: what is where in the log. It holds no payload. */
export interface Tables {
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
  readonly base: () => { readonly low: number; readonly high: number };
  readonly counts: { readonly spans: number; readonly logs: number };
}

export interface Indexing extends Tables {
  /** To be called before the rows of a record are added: remembers where a segment's rows begin. */
  readonly enter: (segment: number) => void;
  /** Forgets every row of the segments before this one, and the traces that had no others. */
  readonly forgetBefore: (segment: number) => void;
  readonly save: SaveArrays;
  /** Into an empty index. */
  readonly load: LoadArrays;
  /** Each takes over what a scan found in `bytes`, which lie at `place` now. */
  readonly addSpans: (bytes: Buffer, stage: SpanStage, place: RecordPlace) => void;
  readonly addLogs: (bytes: Buffer, stage: LogStage, place: RecordPlace) => void;
  readonly addItems: (items: readonly EnvelopeItem[], place: RecordPlace) => void;
  /** What came, by trace number, since this was last called. */
  readonly takeGrowth: () => ReadonlyMap<number, Readonly<Growth>>;
}

const maxKeptNames = 100_000;

/** The first row in each table that a segment brought. */
interface SegmentStart {
  readonly segment: number;
  readonly span: number;
  readonly spanGroup: number;
  readonly log: number;
  readonly logGroup: number;
}

/** An empty index. `startedAt`: milliseconds since the epoch, about when the first spans start. */
export function openIndex(startedAt: number): Indexing {
  const traces = traceTable();
  const spans = spanTable();
  const spanGroups = groupTable();
  const logs = logTable();
  const logGroups = groupTable();
  const runs = runIndex();
  const names = internedText(maxKeptNames);
  const services = internedText(maxKeptNames);
  const items: StoredItem[] = [];
  const counts = { spans: 0, logs: 0 };
  let growth = new Map<number, Growth>();
  let starts: SegmentStart[] = [];

  const nanoseconds = BigInt(startedAt) * 1_000_000n;
  let base = {
    low: Number(nanoseconds & 0xffff_ffffn),
    high: Number(nanoseconds >> 32n),
  };

  const serviceOf = (bytes: Uint8Array, groups: ScanGroups) => (group: number) =>
    services.intern(
      bytes,
      groups.serviceOffset[group] as number,
      groups.serviceLength[group] as number,
    );

  let lastRun = { bytes: Buffer.alloc(0), run: 0 };
  function runOf(bytes: Buffer, offset: number, length: number): number {
    if (length === 0) return 0;
    // Neighbours mostly belong to one run: comparing costs less than making a string.
    if (lastRun.bytes.length === length) {
      const { bytes: known } = lastRun;
      let same = 0;
      while (same < length && known[same] === bytes[offset + same]) same++;
      if (same === length) return lastRun.run;
    }
    const text = bytes.toString("utf8", offset, offset + length);
    lastRun = {
      bytes: Buffer.from(bytes.subarray(offset, offset + length)),
      run: runs.number(text),
    };
    return lastRun.run;
  }

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

  function addHashes(s: SpanStage, i: number): void {
    const end = s.hashStart[i + 1] as number;
    let from = s.hashStart[i] as number;
    let row = spans.hashes.pushMany(end - from);
    while (from < end) {
      const { hash } = spans.hashes.columnsOf(row);
      // Up to the end of this chunk at most.
      const until = Math.min(end, from + hash.length - (row & rowMask));
      for (; from < until; from++, row++) hash[row & rowMask] = s.hashes[from] as number;
    }
  }

  function addSpans(bytes: Buffer, s: SpanStage, place: RecordPlace): void {
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
      addHashes(s, i);
      columns.lastHash[at] = spans.hashes.last();
      const entry = traces.entry();
      columns.previous[at] = entry.lastSpan[trace] as number;
      entry.lastSpan[trace] = row;
      entry.spans[trace] = (entry.spans[trace] as number) + 1;
      spans.remember(row);
      counts.spans++;
      joinRun(trace, runOf(bytes, s.runOffset[i] as number, s.runLength[i] as number));
      grow(trace).spans++;
    }
  }

  function addLogs(bytes: Buffer, s: LogStage, place: RecordPlace): void {
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
      counts.logs++;
      if (trace === 0) continue;
      const entry = traces.entry();
      columns.previous[at] = entry.lastLog[trace] as number;
      entry.lastLog[trace] = row;
      entry.logs[trace] = (entry.logs[trace] as number) + 1;
      joinRun(trace, run);
      grow(trace).logs++;
    }
  }

  function addItems(parsed: readonly EnvelopeItem[], place: RecordPlace): void {
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

  function enter(segment: number): void {
    if (starts.at(-1)?.segment === segment) return;
    starts.push({
      segment,
      span: spans.last() + 1,
      spanGroup: spanGroups.last() + 1,
      log: logs.last() + 1,
      logGroup: logGroups.last() + 1,
    });
  }

  function forgetBefore(segment: number): void {
    const kept = starts.filter((start) => start.segment >= segment);
    const oldest = kept[0];
    if (oldest === undefined) return;
    starts = kept;
    const { entry } = traces;
    for (let row = spans.first(); row < oldest.span; row++) {
      const trace = spans.columnsOf(row).trace[row & rowMask] as number;
      entry().spans[trace] = (entry().spans[trace] as number) - 1;
      counts.spans--;
    }
    for (let row = logs.first(); row < oldest.log; row++) {
      const trace = logs.columnsOf(row).trace[row & rowMask] as number;
      if (trace !== 0) entry().logs[trace] = (entry().logs[trace] as number) - 1;
      counts.logs--;
    }
    spans.forgetBelow(oldest.span);
    spanGroups.dropBelow(oldest.spanGroup);
    logs.dropBelow(oldest.log);
    logGroups.dropBelow(oldest.logGroup);
    const keptItem = items.findIndex((item) => item.segment >= segment);
    items.splice(0, keptItem < 0 ? items.length : keptItem);
    const withItems = new Set(items.map((item) => item.trace));
    const dead = (trace: number): boolean =>
      entry().spans[trace] === 0 && entry().logs[trace] === 0 && !withItems.has(trace);
    runs.forget(dead);
    traces.sweep(dead);
  }

  const save: SaveArrays = (put) => ({
    traces: traces.save(put),
    spans: spans.save(put),
    spanGroups: spanGroups.save(put),
    logs: logs.save(put),
    logGroups: logGroups.save(put),
    runs: runs.save(),
    names: names.save(),
    services: services.save(),
    items,
    base,
    counts,
    starts,
  });

  const load: LoadArrays = (json, fill) => {
    const saved = json as Readonly<Record<keyof Tables, unknown>> & {
      readonly items: readonly StoredItem[];
      readonly base: typeof base;
      readonly starts: SegmentStart[];
    };
    traces.load(saved.traces, fill);
    spans.load(saved.spans, fill);
    spanGroups.load(saved.spanGroups, fill);
    logs.load(saved.logs, fill);
    logGroups.load(saved.logGroups, fill);
    runs.load(saved.runs);
    names.load(saved.names);
    services.load(saved.services);
    for (const item of saved.items) items.push(item);
    ({ base, starts } = saved);
    Object.assign(counts, saved.counts);
  };

  return {
    save,
    load,
    traces,
    spans,
    spanGroups,
    logs,
    logGroups,
    runs,
    names,
    services,
    items,
    base: () => base,
    counts,
    enter,
    forgetBefore,
    addSpans,
    addLogs,
    addItems,
    takeGrowth: () => {
      const taken = growth;
      growth = new Map();
      return taken;
    },
  };
}
