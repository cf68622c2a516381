import { logAdder } from "./add-logs.ts";
import { spanAdder } from "./add-spans.ts";
import type { LoadArrays, SaveArrays } from "./checkpoint.ts";
import { rowMask } from "./chunked-table.ts";
import type { EnvelopeItem } from "./envelope.ts";
import { type GroupTable, groupTable, sequence } from "./group-table.ts";
import { type Growth, traceGrowth } from "./growth.ts";
import { type InternedText, internedText } from "./interned-text.ts";
import type { LogStage } from "./log-scan.ts";
import { type LogTable, logTable } from "./log-table.ts";
import { type RunIndex, runIndex } from "./run-index.ts";
import { runMemberships } from "./run-memberships.ts";
import type { RecordPlace } from "./segment-format.ts";
import { type SpanStage, spanMark } from "./span-stage.ts";
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
  readonly counts: {
    readonly spans: number;
    readonly logs: number;
    /** Spans marked `farOff`. */
    readonly farOff: number;
    readonly farOffLogs: number;
  };
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
  const spans = spanTable(traces.entry);
  const spanGroups = groupTable();
  const logs = logTable();
  const logGroups = groupTable();
  const runs = runIndex();
  const names = internedText(maxKeptNames);
  const services = internedText(maxKeptNames);
  const items: StoredItem[] = [];
  const counts = { spans: 0, logs: 0, farOff: 0, farOffLogs: 0 };
  let starts: SegmentStart[] = [];

  const nanoseconds = BigInt(startedAt) * 1_000_000n;
  let base = {
    low: Number(nanoseconds & 0xffff_ffffn),
    high: Number(nanoseconds >> 32n),
  };

  const growth = traceGrowth();
  const memberships = runMemberships(runs, traces);
  const adding = {
    traces,
    spans,
    spanGroups,
    logs,
    logGroups,
    names,
    services,
    memberships,
    growth,
    counts,
    base: () => base,
  };
  const addSpans = spanAdder(adding);
  const addLogs = logAdder(adding);

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
      if (trace !== 0) growth.of(trace).sentry++;
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
      const { trace: traceOf, marks } = spans.columnsOf(row);
      const trace = traceOf[row & rowMask] as number;
      if (((marks[row & rowMask] as number) & spanMark.farOff) !== 0) counts.farOff--;
      entry().spans[trace] = (entry().spans[trace] as number) - 1;
      counts.spans--;
    }
    for (let row = logs.first(); row < oldest.log; row++) {
      const { trace: traceOf, farOff } = logs.columnsOf(row);
      const trace = traceOf[row & rowMask] as number;
      counts.farOffLogs -= farOff[row & rowMask] as number;
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
    takeGrowth: growth.take,
  };
}
