import { type ChunkedTable, chunkedTable, rowMask } from "./chunked-table.ts";
import { type SpanLookup, spanLookup } from "./span-lookup.ts";
import type { TraceEntries } from "./trace-table.ts";

/** Columns of the stored spans; a span's place in them is `row & rowMask`. About 70 bytes per span. */
export interface SpanColumns {
  readonly trace: Uint32Array;
  /** Next older span of the same trace; 0 for the oldest. */
  readonly previous: Uint32Array;
  /** Two words per span. */
  readonly spanId: Uint32Array;
  readonly parentId: Uint32Array;
  /** Nanoseconds after the store's base time; exact within 104 days of it. */
  readonly start: Float64Array;
  /** Nanoseconds, never negative. */
  readonly duration: Float64Array;
  readonly kind: Uint8Array;
  readonly status: Uint8Array;
  /** See `spanMark`. */
  readonly marks: Uint8Array;
  readonly service: Uint32Array;
  readonly name: Uint32Array;
  readonly group: Uint32Array;
  /** Where the span's bytes lie in the group's segment. */
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  /** Row of the span's last attribute hash; its first follows the last one of the span before. */
  readonly lastHash: Uint32Array;
}

/** One row per attribute of a span. */
export interface HashColumns {
  readonly hash: Uint32Array;
}

export type SpanRows = ChunkedTable<SpanColumns>;

export interface SpanTable extends SpanRows {
  /** Row of a span of this trace; 0 when it is not there. */
  readonly find: (trace: number, high: number, low: number) => number;
  /** Span id of a row, as 16 hex digits. */
  readonly idOf: (row: number) => string;
  readonly hashes: ChunkedTable<HashColumns>;
  /** Row of the first hash of a span. */
  readonly firstHash: (row: number) => number;
  /** See `SpanLookup`. */
  readonly claim: SpanLookup["claim"];
  /** Forgets rows below `row` in both ways. */
  readonly forgetBelow: (row: number) => void;
}

const hexWord = (word: number): string => word.toString(16).padStart(8, "0");

/** `traces`: where the newest span and the number of spans of each trace are kept. */
export function spanTable(traces: () => TraceEntries): SpanTable {
  const rows = chunkedTable<SpanColumns>((size) => ({
    trace: new Uint32Array(size),
    previous: new Uint32Array(size),
    spanId: new Uint32Array(size * 2),
    parentId: new Uint32Array(size * 2),
    start: new Float64Array(size),
    duration: new Float64Array(size),
    kind: new Uint8Array(size),
    status: new Uint8Array(size),
    marks: new Uint8Array(size),
    service: new Uint32Array(size),
    name: new Uint32Array(size),
    group: new Uint32Array(size),
    offset: new Uint32Array(size),
    length: new Uint32Array(size),
    lastHash: new Uint32Array(size),
  }));
  const hashes = chunkedTable<HashColumns>((size) => ({ hash: new Uint32Array(size) }));
  const lastHash = (row: number): number => rows.columnsOf(row).lastHash[row & rowMask] as number;
  const firstHash = (row: number): number =>
    row > rows.first() ? lastHash(row - 1) + 1 : hashes.first();
  const lookup = spanLookup(rows, traces);

  return {
    ...rows,
    hashes,
    firstHash,
    idOf: (row) => {
      const { spanId } = rows.columnsOf(row);
      const at = (row & rowMask) * 2;
      return hexWord(spanId[at] as number) + hexWord(spanId[at + 1] as number);
    },
    find: lookup.find,
    claim: lookup.claim,
    forgetBelow: (row) => {
      const kept = row > rows.first() ? lastHash(row - 1) + 1 : hashes.first();
      hashes.dropBelow(kept);
      rows.dropBelow(row);
      lookup.forgetBelow(row);
    },
    save: (put) => {
      const table = rows.save(put);
      const hashed = hashes.save(put);
      return { table, hashed, lookup: lookup.save(put) };
    },
    load: (json, fill) => {
      const saved = json as {
        readonly table: unknown;
        readonly hashed: unknown;
        readonly lookup: unknown;
      };
      rows.load(saved.table, fill);
      hashes.load(saved.hashed, fill);
      lookup.load(saved.lookup, fill);
    },
  };
}
