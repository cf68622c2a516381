import { rowMask } from "./chunked-table.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { span as spanMessage } from "./otlp-schema.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";
import { spanRows } from "./trace-read.ts";

/**
 * A trace as columns for the page: 24 bytes per span and nothing decoded, so that 100,000 spans
 * are 2.4 MB where OTLP/JSON is 99 MB. Spans are in order of their start.
 *
 *   "LABCOL02" | u32 bytes of JSON | u32 spans | JSON, filled up with spaces to a multiple of 8
 *   | span ids, 8 bytes each | i32 place of the parent, -1 for none, -2 for one not here | u32 start | u32 duration
 *   | u16 name | u8 source | u8 flags, in this order, each column whole
 *
 * All little-endian. Flags: kind + 8 × status + 32 when it has events + 64 when its times are more
 * than a day off its arrival. The JSON is {@link TraceColumnsHeader}. Names beyond 65,536 different
 * ones and sources beyond 256 are told as number 0.
 */
export interface TraceColumnsHeader {
  readonly traceId: string;
  /** Start of the earliest span. */
  readonly startTimeUnixNano: string;
  /** Unit of start (counted from the earliest) and duration, in nanoseconds. */
  readonly tickNs: number;
  readonly names: readonly string[];
  /** Who a span is of, and which data store it called when it is a client's that names one. */
  readonly sources: readonly SpanSource[];
}

export interface SpanSource {
  readonly service: string;
  readonly dataStore: string | null;
}

export const columnsMagic = "LABCOL02";
export const columnsType = "application/x-lab-columns";
const largestTick = 0xffff_ffff;

/** Undefined while the trace has no spans. */
export function traceColumns(index: StoreIndex, trace: number): Buffer | undefined {
  const rows = spanRows(index, trace);
  if (rows.length === 0) return undefined;
  const read = storedBytes(index.log);
  const startOf = (row: number): number =>
    index.spans.columnsOf(row).start[row & rowMask] as number;
  const sorted = Uint32Array.from(rows).sort((a, b) => startOf(a) - startOf(b) || a - b);
  const places = new Map<number, number>();
  for (const [place, row] of sorted.entries()) places.set(row, place);

  const count = sorted.length;
  const begin = startOf(sorted[0] as number);
  let end = begin;
  for (const row of sorted) {
    const columns = index.spans.columnsOf(row);
    end = Math.max(end, startOf(row) + (columns.duration[row & rowMask] as number));
  }
  let tickNs = 1;
  while ((end - begin) / tickNs > largestTick) tickNs *= 10;

  const names = numbering(0x1_0000);
  const sources = numbering(0x100);
  const dataStores = dataStoresOf(index, rows);
  const ids = Buffer.alloc(count * 8);
  const parents = new Int32Array(count);
  const starts = new Uint32Array(count);
  const durations = new Uint32Array(count);
  const nameIds = new Uint16Array(count);
  const sourceIds = new Uint8Array(count);
  const flags = new Uint8Array(count);
  for (const [place, row] of sorted.entries()) {
    const columns = index.spans.columnsOf(row);
    const at = row & rowMask;
    ids.writeUInt32BE(columns.spanId[at * 2] as number, place * 8);
    ids.writeUInt32BE(columns.spanId[at * 2 + 1] as number, place * 8 + 4);
    const high = columns.parentId[at * 2] as number;
    const low = columns.parentId[at * 2 + 1] as number;
    parents[place] =
      (high | low) === 0 ? -1 : (places.get(index.spans.find(trace, high, low)) ?? -2);
    starts[place] = Math.floor(((columns.start[at] as number) - begin) / tickNs);
    durations[place] = Math.floor((columns.duration[at] as number) / tickNs);
    const name = columns.name[at] as number;
    nameIds[place] = names.of(index.names.text(name) ?? nameFromBytes(index, row, read));
    const service = index.services.text(columns.service[at] as number) ?? "";
    sourceIds[place] = sources.of(JSON.stringify([service, dataStores.get(row) ?? null]));
    flags[place] =
      (columns.kind[at] as number) +
      8 * (columns.status[at] as number) +
      32 * (columns.marks[at] as number);
  }

  const base = index.base();
  const startTimeUnixNano = (
    (BigInt(base.high) << 32n) +
    BigInt(base.low) +
    BigInt(begin)
  ).toString();
  const header: TraceColumnsHeader = {
    traceId: index.traces.hex(trace),
    startTimeUnixNano,
    tickNs,
    names: names.texts,
    sources: sources.texts.map((text) => {
      const [service, dataStore] = JSON.parse(text) as [string, string | null];
      return { service, dataStore };
    }),
  };
  const text = Buffer.from(JSON.stringify(header));
  const json = Buffer.concat([text, Buffer.alloc(-text.length & 7, " ")]);
  const preamble = Buffer.alloc(16);
  preamble.write(columnsMagic, "latin1");
  preamble.writeUInt32LE(json.length, 8);
  preamble.writeUInt32LE(count, 12);
  const columns = [parents, starts, durations, nameIds, sourceIds, flags].map(
    ({ buffer, byteLength }) => Buffer.from(buffer, 0, byteLength),
  );
  return Buffer.concat([preamble, json, ids, ...columns]);
}

const clientKind = 3;
/** The older name last, as a KeyValue begins: length of the key, key. */
const systemKeys = ["db.system.name", "db.system"].map((key) =>
  Buffer.from([0x0a, key.length, ...Buffer.from(key)]),
);

/** `db.system.name` (or its older name) of the client spans among these rows. */
function dataStoresOf(index: StoreIndex, rows: readonly number[]): ReadonlyMap<number, string> {
  const read = storedBytes(index.log);
  const found = new Map<number, string>();
  // Rows are in order of arrival, so the segments are read from front to back.
  for (const row of rows) {
    const columns = index.spans.columnsOf(row);
    if (columns.kind[row & rowMask] !== clientKind) continue;
    const bytes = bytesOfSpan(index, row, read);
    for (const key of systemKeys) {
      const at = bytes.indexOf(key);
      const text = at < 0 ? undefined : shortText(bytes, at + key.length);
      if (text === undefined) continue;
      found.set(row, text);
      break;
    }
  }
  return found;
}

/** The text of an AnyValue of up to 127 bytes, whose field begins at `at`. */
function shortText(bytes: Buffer, at: number): string | undefined {
  const length = bytes[at + 3] ?? 0x80;
  if (bytes[at] !== 0x12 || bytes[at + 2] !== 0x0a || length >= 0x80) return undefined;
  return bytes.toString("utf8", at + 4, at + 4 + length);
}

/** Numbers up to `most` texts in order of first use. */
function numbering(most: number): {
  readonly texts: string[];
  readonly of: (text: string) => number;
} {
  const texts: string[] = [];
  const known = new Map<string, number>();
  return {
    texts,
    of: (text) => {
      const before = known.get(text);
      if (before !== undefined) return before;
      if (texts.length >= most) return 0;
      known.set(text, texts.length);
      return texts.push(text) - 1;
    },
  };
}

function nameFromBytes(
  index: StoreIndex,
  row: number,
  read: (segment: number, offset: number, length: number) => Buffer,
): string {
  const { name } = decodeMessage(bytesOfSpan(index, row, read), spanMessage);
  return typeof name === "string" ? name : "";
}

function bytesOfSpan(
  index: StoreIndex,
  row: number,
  read: (segment: number, offset: number, length: number) => Buffer,
): Buffer {
  const columns = index.spans.columnsOf(row);
  const at = row & rowMask;
  const group = columns.group[at] as number;
  const segment = index.spanGroups.columnsOf(group).segment[group & rowMask] as number;
  return read(segment, columns.offset[at] as number, columns.length[at] as number);
}
