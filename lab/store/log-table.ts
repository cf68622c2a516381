import { type ChunkedTable, chunkedTable } from "./chunked-table.ts";

/** Columns of the stored log records; a record's place in them is `row & rowMask`. */
export interface LogColumns {
  /** 0 when the record names no trace. */
  readonly trace: Uint32Array;
  /** Next older record of the same trace; 0 for the oldest. */
  readonly previous: Uint32Array;
  readonly spanId: Uint32Array;
  /** Nanoseconds since the epoch, low and high word. */
  readonly time: Uint32Array;
  /** OTLP severity number. */
  readonly severity: Uint8Array;
  /** 1 when its time lies more than a day from its arrival. */
  readonly farOff: Uint8Array;
  readonly service: Uint32Array;
  /** Run that the record itself names; 0 for none. */
  readonly run: Uint32Array;
  readonly group: Uint32Array;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
}
export type LogTable = ChunkedTable<LogColumns>;

export function logTable(): LogTable {
  return chunkedTable((size) => ({
    trace: new Uint32Array(size),
    previous: new Uint32Array(size),
    spanId: new Uint32Array(size * 2),
    time: new Uint32Array(size * 2),
    severity: new Uint8Array(size),
    farOff: new Uint8Array(size),
    service: new Uint32Array(size),
    run: new Uint32Array(size),
    group: new Uint32Array(size),
    offset: new Uint32Array(size),
    length: new Uint32Array(size),
  }));
}
