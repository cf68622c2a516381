import { type ChunkedTable, rowMask } from "./chunked-table.ts";
import type { GroupTable } from "./group-table.ts";
import { writeBytes, writeMessage, writer, written } from "./protobuf-writer.ts";
import { type NewRecord, type RecordKind, recordKind } from "./segment-format.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";

interface RowColumns {
  readonly trace: Uint32Array;
  readonly group: Uint32Array;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  readonly run?: Uint32Array;
}

/** Below the most that one request may bring, so that the record can be read again. */
const rowsPerRecord = 5000;
const bytesPerRecord = 4 * 1024 * 1024;

interface Members {
  readonly runs: ReadonlySet<number>;
  readonly traces: ReadonlySet<number>;
}

function membersOf({ runs }: StoreIndex, runIds: readonly string[]): Members {
  const numbers = new Set(runIds.map(runs.find).filter((run) => run !== 0));
  return { runs: numbers, traces: new Set([...numbers].flatMap((run) => [...runs.traces(run)])) };
}

const isMember = ({ trace, run }: RowColumns, at: number, of: Members): boolean =>
  of.traces.has(trace[at] as number) || of.runs.has(run?.[at] ?? 0);

/** Bytes that spans, logs and Sentry items of these runs take on disk, without what they share. */
export function bytesOfRuns(index: StoreIndex, runIds: readonly string[]): number {
  const members = membersOf(index, runIds);
  let bytes = 0;
  for (const table of [index.spans, index.logs] as readonly ChunkedTable<RowColumns>[])
    for (let row = table.first(); row <= table.last(); row++) {
      const columns = table.columnsOf(row);
      if (isMember(columns, row & rowMask, members))
        bytes += columns.length[row & rowMask] as number;
    }
  const counted = new Set<string>();
  for (const { trace, segment, offset, length } of index.items) {
    if (!members.traces.has(trace) || counted.has(`${segment} ${offset}`)) continue;
    counted.add(`${segment} ${offset}`);
    bytes += length;
  }
  return bytes;
}

/** What the oldest segment holds of these runs, as records that can be written anew. */
export function pinnedRecords(
  index: StoreIndex,
  segment: number,
  runIds: readonly string[],
): readonly NewRecord[] {
  const members = membersOf(index, runIds);
  if (members.runs.size === 0) return [];
  return [
    ...rowRecords(index, segment, members, index.spans, index.spanGroups, recordKind.traces),
    ...rowRecords(index, segment, members, index.logs, index.logGroups, recordKind.logs),
    ...itemRecords(index, segment, members),
  ];
}

/** Spans and log records nest the same way: 1 resource, 2 scoped list; 1 scope, 2 items. */
function rowRecords(
  index: StoreIndex,
  segment: number,
  members: Members,
  table: ChunkedTable<RowColumns>,
  groups: GroupTable,
  kind: RecordKind,
): readonly NewRecord[] {
  const read = storedBytes(index.log);
  const records: NewRecord[] = [];
  let byGroup = new Map<number, Buffer[]>();
  let rows = 0;
  let bytes = 0;
  let receivedAt = 0;
  const finish = (): void => {
    if (rows > 0) records.push({ kind, payload: requestOf(byGroup, groups, read), receivedAt });
    byGroup = new Map();
    rows = 0;
    bytes = 0;
  };
  for (let row = table.first(); row <= table.last(); row++) {
    const columns = table.columnsOf(row);
    const at = row & rowMask;
    const group = columns.group[at] as number;
    // Rows are in order of their segments, and the oldest segment has the first.
    const { segment: segmentOf, receivedAt: receivedAtOf } = groups.columnsOf(group);
    if (segmentOf[group & rowMask] !== segment) break;
    if (!isMember(columns, at, members)) continue;
    // A record has one time of arrival; a span's clock is judged by it.
    if (receivedAtOf[group & rowMask] !== receivedAt) finish();
    receivedAt = receivedAtOf[group & rowMask] as number;
    const item = Buffer.from(
      read(segment, columns.offset[at] as number, columns.length[at] as number),
    );
    const known = byGroup.get(group);
    if (known === undefined) byGroup.set(group, [item]);
    else known.push(item);
    rows++;
    bytes += item.length;
    if (rows >= rowsPerRecord || bytes >= bytesPerRecord) finish();
  }
  finish();
  return records;
}

function requestOf(
  byGroup: ReadonlyMap<number, readonly Buffer[]>,
  groups: GroupTable,
  read: ReturnType<typeof storedBytes>,
): Buffer {
  const w = writer(64 * 1024);
  for (const [group, items] of byGroup) {
    const columns = groups.columnsOf(group);
    const at = group & rowMask;
    const part = (offset: Uint32Array, length: Uint32Array): Buffer =>
      read(columns.segment[at] as number, offset[at] as number, length[at] as number);
    writeMessage(w, 1, () => {
      writeBytes(w, 1, part(columns.resourceOffset, columns.resourceLength));
      writeMessage(w, 2, () => {
        writeBytes(w, 1, part(columns.scopeOffset, columns.scopeLength));
        for (const item of items) writeBytes(w, 2, item);
      });
    });
  }
  return written(w);
}

/** One envelope per payload: the items of a payload share it. */
function itemRecords(index: StoreIndex, segment: number, members: Members): readonly NewRecord[] {
  const read = storedBytes(index.log);
  const payloads = new Map<number, NewRecord>();
  for (const item of index.items) {
    if (item.segment !== segment) break;
    if (!members.traces.has(item.trace) || payloads.has(item.offset)) continue;
    const type = item.kind === "metric" ? "trace_metric" : item.kind;
    const payload = Buffer.concat([
      Buffer.from(`{}\n${JSON.stringify({ type, length: item.length })}\n`),
      read(segment, item.offset, item.length),
    ]);
    const { receivedAt } = item;
    payloads.set(item.offset, { kind: recordKind.envelope, payload, receivedAt });
  }
  return [...payloads.values()];
}
