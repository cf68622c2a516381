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
  /** Takes a row in that has its trace and its ids. */
  readonly link: (row: number) => void;
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

  return {
    find: (trace, high, low) => {
      const { spans, idKinds } = entries();
      if ((spans[trace] as number) > shortTrace)
        return probe(hash64(seed, high, low), trace, high, low);
      const mayBeThere = ((idKinds[trace] as number) & idKind(high, low)) !== 0;
      return mayBeThere ? walk(trace, high, low) : 0;
    },
    link: (row) => {
      const { lastSpan, spans, idKinds } = entries();
      const { trace: traceOf, previous, spanId } = rows.columnsOf(row);
      const trace = traceOf[row & rowMask] as number;
      previous[row & rowMask] = lastSpan[trace] as number;
      lastSpan[trace] = row;
      const at = (row & rowMask) * 2;
      idKinds[trace] =
        (idKinds[trace] as number) | idKind(spanId[at] as number, spanId[at + 1] as number);
      const count = (spans[trace] as number) + 1;
      spans[trace] = count;
      if (count <= shortTrace) return;
      if (count > shortTrace + 1) {
        list(row);
        return;
      }
      const first = rows.first();
      for (let each = row; each >= first; ) {
        list(each);
        each = rows.columnsOf(each).previous[each & rowMask] as number;
      }
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
