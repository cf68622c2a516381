import type { LoadArrays, SaveArrays } from "./checkpoint.ts";
import { hash128, newSeed } from "./id-hash.ts";

/**
 * One entry per trace, found by its 16-byte id: open addressing over typed arrays, because a
 * million traces as objects would cost ten times the memory. Entries are numbered from 1; 0 means
 * "no trace". The newest span and log row of a trace start two chains that run through the rows.
 */
export interface TraceTable {
  readonly find: (a: number, b: number, c: number, d: number) => number;
  readonly findHex: (traceId: string) => number;
  /** Finds or makes the entry. */
  readonly ensure: (a: number, b: number, c: number, d: number) => number;
  readonly hex: (trace: number) => string;
  readonly entry: () => TraceEntries;
  /** Entries in use. */
  readonly count: () => number;
  /** Forgets every entry that `dead` names; their numbers are used again. */
  readonly sweep: (dead: (trace: number) => boolean) => void;
  readonly save: SaveArrays;
  readonly load: LoadArrays;
}

/** Columns of the entries, by trace number. Fetch them anew after `ensure`: growing replaces them. */
export interface TraceEntries {
  /** Newest row of the trace in the span table, then in the log table; 0 for none. */
  readonly lastSpan: Uint32Array;
  readonly lastLog: Uint32Array;
  readonly spans: Uint32Array;
  readonly logs: Uint32Array;
  /** Number of the first run that the trace named; 0 for none. */
  readonly run: Uint32Array;
  /** Bits that the ids of its spans have, see `span-lookup.ts`; those of forgotten spans stay. */
  readonly idKinds: Uint32Array;
}

export function traceTable(): TraceTable {
  let capacity = 1024;
  let ids = new Uint32Array(capacity * 4);
  let entries = makeEntries(capacity);
  let slots = new Int32Array(capacity * 2);
  let next = 1;
  let used = 0;
  let seed = newSeed();
  const free: number[] = [];

  const slotOf = (a: number, b: number, c: number, d: number): number =>
    hash128(seed, a, b, c, d) & (slots.length - 1);
  const isAt = (trace: number, a: number, b: number, c: number, d: number): boolean => {
    const at = trace * 4;
    return ids[at] === a && ids[at + 1] === b && ids[at + 2] === c && ids[at + 3] === d;
  };
  const find = (a: number, b: number, c: number, d: number): number => {
    let slot = slotOf(a, b, c, d);
    for (let trace = slots[slot] as number; trace !== 0; trace = slots[slot] as number) {
      if (isAt(trace, a, b, c, d)) return trace;
      slot = (slot + 1) & (slots.length - 1);
    }
    return 0;
  };
  const place = (trace: number): void => {
    const at = trace * 4;
    let slot = slotOf(
      ids[at] as number,
      ids[at + 1] as number,
      ids[at + 2] as number,
      ids[at + 3] as number,
    );
    while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
    slots[slot] = trace;
  };
  const isFree = (trace: number): boolean => {
    const at = trace * 4;
    return (ids[at] as number | 0) === 0 && !ids[at + 1] && !ids[at + 2] && !ids[at + 3];
  };
  const rebuild = (): void => {
    slots = new Int32Array(capacity * 2);
    for (let trace = 1; trace < next; trace++) if (!isFree(trace)) place(trace);
  };
  const grow = (): void => {
    capacity *= 2;
    const olderIds = ids;
    ids = new Uint32Array(capacity * 4);
    ids.set(olderIds);
    const older = entries;
    entries = makeEntries(capacity);
    entries.lastSpan.set(older.lastSpan);
    entries.lastLog.set(older.lastLog);
    entries.spans.set(older.spans);
    entries.logs.set(older.logs);
    entries.run.set(older.run);
    entries.idKinds.set(older.idKinds);
    rebuild();
  };

  return {
    find,
    findHex: (traceId) => find(...idWords(traceId)),
    ensure: (a, b, c, d) => {
      const known = find(a, b, c, d);
      if (known !== 0) return known;
      let trace = free.pop();
      if (trace === undefined) {
        if (next === capacity) grow();
        trace = next++;
      }
      const at = trace * 4;
      ids[at] = a;
      ids[at + 1] = b;
      ids[at + 2] = c;
      ids[at + 3] = d;
      place(trace);
      used++;
      return trace;
    },
    hex: (trace) => {
      let text = "";
      for (let at = trace * 4; at < trace * 4 + 4; at++)
        text += (ids[at] as number).toString(16).padStart(8, "0");
      return text;
    },
    entry: () => entries,
    count: () => used,
    sweep: (dead) => {
      for (let trace = 1; trace < next; trace++) {
        if (isFree(trace) || !dead(trace)) continue;
        ids.fill(0, trace * 4, trace * 4 + 4);
        entries.lastSpan[trace] = 0;
        entries.lastLog[trace] = 0;
        entries.spans[trace] = 0;
        entries.logs[trace] = 0;
        entries.run[trace] = 0;
        entries.idKinds[trace] = 0;
        free.push(trace);
        used--;
      }
      rebuild();
    },
    save: (put) => {
      for (const array of [ids, slots, ...Object.values(entries)]) put(array);
      return { capacity, next, used, seed, free };
    },
    load: (json, fill) => {
      const saved = json as {
        readonly capacity: number;
        readonly next: number;
        readonly used: number;
        readonly seed: number;
        readonly free: readonly number[];
      };
      ({ capacity, next, used, seed } = saved);
      for (const trace of saved.free) free.push(trace);
      ids = new Uint32Array(capacity * 4);
      slots = new Int32Array(capacity * 2);
      entries = makeEntries(capacity);
      for (const array of [ids, slots, ...Object.values(entries)]) fill(array);
    },
  };
}

function makeEntries(capacity: number): TraceEntries {
  return {
    lastSpan: new Uint32Array(capacity),
    lastLog: new Uint32Array(capacity),
    spans: new Uint32Array(capacity),
    logs: new Uint32Array(capacity),
    run: new Uint32Array(capacity),
    idKinds: new Uint32Array(capacity),
  };
}

/** Four 32-bit words of a 32-digit hex id. */
export function idWords(traceId: string): [number, number, number, number] {
  const word = (at: number): number => Number.parseInt(traceId.slice(at, at + 8), 16) >>> 0;
  return [word(0), word(8), word(16), word(24)];
}
