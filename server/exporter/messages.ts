import type { ExportJob } from "#scenarios/edges/workload.ts";

/** The one message to an exporting process. */
export interface ToWorker {
  readonly job: ExportJob;
  /** Batches that were written before; it goes on after them. */
  readonly written: number;
  /** Trace context and baggage, as in HTTP headers. */
  readonly carrier: Readonly<Record<string, string>>;
}

/** After every batch. */
export interface FromWorker {
  readonly written: number;
  /** Bytes. */
  readonly heapUsed: number;
  /** Milliseconds that the garbage collector has worked since the message before. */
  readonly gcMs: number;
}
