import { type ChunkedTable, chunkedTable, rowMask } from "./chunked-table.ts";
import { hash64, newSeed } from "./id-hash.ts";

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
  readonly hashes: ChunkedTable<HashColumns>;
  /** Row of the first hash of a span. */
  readonly firstHash: (row: number) => number;
  /** Makes a row known to `find`; its columns must be filled. */
  readonly remember: (row: number) => void;
  /** Forgets rows below `row` in both ways. */
  readonly forgetBelow: (row: number) => void;
}

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
  /** Open addressing over span ids; a slot holds a row. */
  let slots = new Uint32Array(1 << 15);
  let used = 0;
  let seed = newSeed();

  const slotOf = (high: number, low: number): number =>
    hash64(seed, high, low) & (slots.length - 1);
  const place = (row: number): void => {
    const columns = rows.columnsOf(row);
    const at = row & rowMask;
    let slot = slotOf(columns.spanId[at * 2] as number, columns.spanId[at * 2 + 1] as number);
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = row;
  };
  const rebuild = (size: number): void => {
    slots = new Uint32Array(size);
    for (let row = rows.first(); row <= rows.last(); row++) place(row);
  };

  return {
    ...rows,
    hashes,
    firstHash,
    find: (trace, high, low) => {
      let slot = slotOf(high, low);
      for (let row = slots[slot] as number; row !== 0; row = slots[slot] as number) {
        if (row >= rows.first()) {
          const columns = rows.columnsOf(row);
          const at = row & rowMask;
          if (
            columns.spanId[at * 2] === high &&
            columns.spanId[at * 2 + 1] === low &&
            columns.trace[at] === trace
          )
            return row;
        }
        slot = (slot + 1) & (slots.length - 1);
      }
      return 0;
    },
    remember: (row) => {
      if (++used * 2 > slots.length) rebuild(slots.length * 2);
      else place(row);
    },
    forgetBelow: (row) => {
      const kept = row > rows.first() ? lastHash(row - 1) + 1 : hashes.first();
      hashes.dropBelow(kept);
      rows.dropBelow(row);
      used = rows.last() - rows.first() + 1;
      rebuild(slots.length);
    },
    save: (put) => {
      const table = rows.save(put);
      const hashed = hashes.save(put);
      put(slots);
      return { table, hashed, slots: slots.length, used, seed };
    },
    load: (json, fill) => {
      const saved = json as {
        readonly table: unknown;
        readonly hashed: unknown;
        readonly slots: number;
        readonly used: number;
        readonly seed: number;
      };
      rows.load(saved.table, fill);
      hashes.load(saved.hashed, fill);
      slots = new Uint32Array(saved.slots);
      fill(slots);
      ({ used, seed } = saved);
    },
  };
}
