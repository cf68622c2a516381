import type { LoadArrays, SaveArrays } from "./checkpoint.ts";

/**
 * Finds rows by a 32-bit hash of their id: open addressing over pairs of hash and row. As the hash
 * lies in the slot, a probe mostly costs one cache line and looks at no column of another row.
 * The slot is taken from the hash's high bits: the table is in order of hash then, and growing
 * goes once through both the old and the new one from front to back, where jumping about a large
 * table would miss the cache at every row.
 */
export interface RowSlots {
  /** First row that may have the hash; 0 when there is none. */
  readonly first: (hash: number) => number;
  /** The one after what `first` or `next` returned last. */
  readonly next: (hash: number) => number;
  /** Adds a row, right after `first` and `next` of the same hash have come to 0. */
  readonly put: (hash: number, row: number) => void;
  readonly forgetBelow: (row: number) => void;
  readonly save: SaveArrays;
  readonly load: LoadArrays;
}

const smallest = 1 << 12;

export function rowSlots(): RowSlots {
  let size = smallest;
  let pairs = new Uint32Array(size * 2);
  let shift = Math.clz32(size) + 1;
  let used = 0;
  /** Where the last probe stands; at a free slot when it came to 0. */
  let slot = 0;

  function seek(hash: number): number {
    const wanted = hash >>> 0;
    for (; ; slot = (slot + 1) & (size - 1)) {
      const row = pairs[slot * 2 + 1] as number;
      if (row === 0 || pairs[slot * 2] === wanted) return row;
    }
  }

  function first(hash: number): number {
    slot = hash >>> shift;
    return seek(hash);
  }

  /** Moves what is not below `row` into a table of this size. */
  function rebuild(newSize: number, row: number): void {
    const older = pairs;
    size = newSize;
    shift = Math.clz32(size) + 1;
    pairs = new Uint32Array(size * 2);
    used = 0;
    for (let at = 0; at < older.length; at += 2) {
      const kept = older[at + 1] as number;
      if (kept === 0 || kept < row) continue;
      const hash = older[at] as number;
      for (slot = hash >>> shift; pairs[slot * 2 + 1] !== 0; slot = (slot + 1) & (size - 1));
      pairs[slot * 2] = hash;
      pairs[slot * 2 + 1] = kept;
      used++;
    }
  }

  return {
    first,
    next: (hash) => {
      slot = (slot + 1) & (size - 1);
      return seek(hash);
    },
    put: (hash, row) => {
      pairs[slot * 2] = hash;
      pairs[slot * 2 + 1] = row;
      // Two thirds full: beyond it, probes get long.
      if (++used * 3 > size * 2) rebuild(size * 2, 0);
    },
    forgetBelow: (row) => rebuild(size, row),
    save: (put) => {
      put(pairs);
      return { size, used };
    },
    load: (json, fill) => {
      ({ size, used } = json as { readonly size: number; readonly used: number });
      shift = Math.clz32(size) + 1;
      pairs = new Uint32Array(size * 2);
      fill(pairs);
    },
  };
}
