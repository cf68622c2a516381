import type { LoadArrays, SaveArrays } from "./checkpoint.ts";

/**
 * A table of typed-array columns that grows by whole chunks and forgets whole chunks at its old
 * end. Growing never copies, and old rows cost nothing once they are dropped. Rows are numbered
 * from 1 and keep their number; 0 means "no row".
 */
export interface ChunkedTable<Columns extends object> {
  /** Number of the newest row. */
  readonly last: () => number;
  /** Rows below this number are gone. */
  readonly first: () => number;
  /** Makes the next row and returns its number. */
  readonly push: () => number;
  /** Makes `count` rows and returns the number of the first. */
  readonly pushMany: (count: number) => number;
  /** Columns that hold the row; its place in them is `row & rowMask`. */
  readonly columnsOf: (row: number) => Columns;
  readonly dropBelow: (row: number) => void;
  readonly save: SaveArrays;
  readonly load: LoadArrays;
}

export const rowsPerChunk = 1 << 14;
export const rowMask = rowsPerChunk - 1;
const chunkShift = 14;

export function chunkedTable<Columns extends object>(
  makeColumns: (rows: number) => Columns,
): ChunkedTable<Columns> {
  const chunks: (Columns | undefined)[] = [];
  let last = 0;
  let first = 1;
  return {
    last: () => last,
    first: () => first,
    push: () => {
      last++;
      const chunk = last >>> chunkShift;
      if (chunks[chunk] === undefined) chunks[chunk] = makeColumns(rowsPerChunk);
      return last;
    },
    pushMany: (count) => {
      const begin = last + 1;
      last += count;
      for (let chunk = begin >>> chunkShift; chunk <= last >>> chunkShift; chunk++)
        chunks[chunk] ??= makeColumns(rowsPerChunk);
      return begin;
    },
    columnsOf: (row) => chunks[row >>> chunkShift] as Columns,
    dropBelow: (row) => {
      for (let chunk = first >>> chunkShift; chunk < row >>> chunkShift; chunk++)
        chunks[chunk] = undefined;
      first = Math.max(first, row);
    },
    save: (put) => {
      for (let chunk = first >>> chunkShift; chunk <= last >>> chunkShift; chunk++)
        for (const column of columnsIn(chunks[chunk] ?? makeColumns(rowsPerChunk))) put(column);
      return { first, last };
    },
    load: (json, fill) => {
      ({ first, last } = json as { first: number; last: number });
      for (let chunk = first >>> chunkShift; chunk <= last >>> chunkShift; chunk++) {
        const columns = makeColumns(rowsPerChunk);
        for (const column of columnsIn(columns)) fill(column);
        chunks[chunk] = columns;
      }
    },
  };
}

const columnsIn = (columns: object): readonly ArrayBufferView[] => Object.values(columns);
