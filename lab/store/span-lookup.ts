import type { LoadArrays, SaveArrays } from "./checkpoint.ts";
import { rowMask } from "./chunked-table.ts";
import { hash64, newSeed } from "./id-hash.ts";
import { rowSlots } from "./row-slots.ts";
import type { SpanRows } from "./span-table.ts";
import type { TraceEntries } from "./trace-table.ts";

/**
 * Finds the spans of a trace by their ids. The spans of a short trace are chained from the newest
 * to the oldest and simply gone through: they came together and lie together, so that costs less
 * than one look into a table far larger than the processor's cache. Those of longer traces are in
 * such a table.
 */
export interface SpanLookup {
  /** Row of a span of this trace; 0 when it is not there. */
  readonly find: (trace: number, high: number, low: number) => number;
  /**
   * Makes a row for the span of this trace whose id stands in `ids` from `at` on, fills in both and
   * chains it to the trace's others; 0 when there is one already.
   */
  readonly claim: (trace: number, ids: Uint32Array, at: number) => number;
  readonly forgetBelow: (row: number) => void;
  readonly save: SaveArrays;
  readonly load: LoadArrays;
}

/** Most spans of a trace that is gone through. */
export const shortTrace = 32;

/**
 * One bit of 32, by the span's id. Most that are new to a short trace have a bit that none of its
 * spans has: nothing need be gone through.
 */
const idKind = (high: number, low: number): number =>
  1 << (Math.imul(high ^ low, 0x9e3779b1) >>> 27);

export function spanLookup(rows: SpanRows, entries: () => TraceEntries): SpanLookup {
  const slots = rowSlots();
  let seed = newSeed();

  function walk(trace: number, high: number, low: number): number {
    const first = rows.first();
    let row = entries().lastSpan[trace] as number;
    while (row >= first) {
      // Mostly all are in one chunk: asking for it at every step would take longer than the rest.
      const chunk = row | rowMask;
      const { spanId, previous } = rows.columnsOf(row);
      for (; row >= first && (row | rowMask) === chunk; row = previous[row & rowMask] as number) {
        const at = (row & rowMask) * 2;
        if (spanId[at + 1] === low && spanId[at] === high) return row;
      }
    }
    return 0;
  }

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

  function list(row: number): void {
    const { trace, spanId } = rows.columnsOf(row);
    const at = row & rowMask;
    const high = spanId[at * 2] as number;
    const low = spanId[at * 2 + 1] as number;
    const hash = hash64(seed, high, low);
    // A trace that was long before, and short since, is listed in part.
    if (probe(hash, trace[at] as number, high, low) === 0) slots.put(hash, row);
  }

  /** Lists a row of a long trace; all of its rows when it has just become one. */
  function listLong(row: number, isFirst: boolean): void {
    if (!isFirst) {
      list(row);
      return;
    }
    const first = rows.first();
    for (let each = row; each >= first; ) {
      list(each);
      each = rows.columnsOf(each).previous[each & rowMask] as number;
    }
  }

  function find(trace: number, high: number, low: number): number {
    const { spans, idKinds } = entries();
    if ((spans[trace] as number) > shortTrace)
      return probe(hash64(seed, high, low), trace, high, low);
    const mayBeThere = ((idKinds[trace] as number) & idKind(high, low)) !== 0;
    return mayBeThere ? walk(trace, high, low) : 0;
  }

  return {
    find,
    claim: (trace, ids, at) => {
      const high = ids[at] as number;
      const low = ids[at + 1] as number;
      if (find(trace, high, low) !== 0) return 0;
      const { lastSpan, spans, idKinds } = entries();
      const row = rows.push();
      const columns = rows.columnsOf(row);
      const place = row & rowMask;
      columns.trace[place] = trace;
      columns.previous[place] = lastSpan[trace] as number;
      columns.spanId[place * 2] = high;
      columns.spanId[place * 2 + 1] = low;
      lastSpan[trace] = row;
      idKinds[trace] = (idKinds[trace] as number) | idKind(high, low);
      const count = (spans[trace] as number) + 1;
      spans[trace] = count;
      if (count > shortTrace) listLong(row, count === shortTrace + 1);
      return row;
    },
    forgetBelow: slots.forgetBelow,
    save: (put) => ({ slots: slots.save(put), seed }),
    load: (json, fill) => {
      const saved = json as { readonly slots: unknown; readonly seed: number };
      slots.load(saved.slots, fill);
      ({ seed } = saved);
    },
  };
}
