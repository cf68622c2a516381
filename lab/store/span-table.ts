import { type ChunkedTable, chunkedTable, rowMask } from "./chunked-table.ts";
import { hash64, newSeed } from "./id-hash.ts";
import { rowSlots } from "./row-slots.ts";

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

export interface SpanTable extends ChunkedTable<SpanColumns> {
  /** Row of a span of this trace; 0 when it is not there. */
  readonly find: (trace: number, high: number, low: number) => number;
  /** Span id of a row, as 16 hex digits. */
  readonly idOf: (row: number) => string;
  readonly hashes: ChunkedTable<HashColumns>;
  /** Row of the first hash of a span. */
  readonly firstHash: (row: number) => number;
  /** To be called before many claims: makes them quicker. `ids`: two words per span. */
  readonly expect: (ids: Uint32Array, count: number) => void;
  /** Makes a row for a span of this trace and fills its ids; 0 when there is one already. */
  readonly claim: (trace: number, high: number, low: number) => number;
  /** Forgets rows below `row` in both ways. */
  readonly forgetBelow: (row: number) => void;
}

const hexWord = (word: number): string => word.toString(16).padStart(8, "0");

export function spanTable(): SpanTable {
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
  const slots = rowSlots();
  let seed = newSeed();

  /** The row with these ids, or 0 and the probe stands at the free slot. */
  function probe(hash: number, trace: number, high: number, low: number): number {
    for (let row = slots.first(hash); row !== 0; row = slots.next(hash)) {
      if (row < rows.first()) continue;
      const columns = rows.columnsOf(row);
      const at = row & rowMask;
      if (
        columns.spanId[at * 2] === high &&
        columns.spanId[at * 2 + 1] === low &&
        columns.trace[at] === trace
      )
        return row;
    }
    return 0;
  }

  return {
    ...rows,
    hashes,
    firstHash,
    idOf: (row) => {
      const { spanId } = rows.columnsOf(row);
      const at = (row & rowMask) * 2;
      return hexWord(spanId[at] as number) + hexWord(spanId[at + 1] as number);
    },
    find: (trace, high, low) => probe(hash64(seed, high, low), trace, high, low),
    expect: (ids, count) => {
      for (let i = 0; i < count; i++)
        slots.fetch(hash64(seed, ids[i * 2] as number, ids[i * 2 + 1] as number));
    },
    claim: (trace, high, low) => {
      const hash = hash64(seed, high, low);
      if (probe(hash, trace, high, low) !== 0) return 0;
      const row = rows.push();
      slots.put(hash, row);
      const columns = rows.columnsOf(row);
      const at = row & rowMask;
      columns.trace[at] = trace;
      columns.spanId[at * 2] = high;
      columns.spanId[at * 2 + 1] = low;
      return row;
    },
    forgetBelow: (row) => {
      const kept = row > rows.first() ? lastHash(row - 1) + 1 : hashes.first();
      hashes.dropBelow(kept);
      rows.dropBelow(row);
      slots.forgetBelow(row);
    },
    save: (put) => {
      const table = rows.save(put);
      const hashed = hashes.save(put);
      return { table, hashed, slots: slots.save(put), seed };
    },
    load: (json, fill) => {
      const saved = json as {
        readonly table: unknown;
        readonly hashed: unknown;
        readonly slots: unknown;
        readonly seed: number;
      };
      rows.load(saved.table, fill);
      hashes.load(saved.hashed, fill);
      slots.load(saved.slots, fill);
      ({ seed } = saved);
    },
  };
}
