import type { Tracer } from "@opentelemetry/api";
import type { PendingQuery, Row, Sql } from "postgres";
import type { Cache } from "./cache.ts";

/** What the app offers to keep one piece of work from harming the rest. */
export interface Workload {
  /** A pool of its own, so that it can use up nobody else's connections. Ended with the run. */
  readonly openPool: (options: {
    /** What its metrics call it. */
    readonly name: string;
    /** Connections at most. */
    readonly max: number;
    /** How long a query or a transaction waits for one before it fails with 503 `pool_timeout`. */
    readonly acquireTimeoutMs: number;
    /**
     * Connects under another name, of which the database lets in only so many at once
     * ({@link BackendKiller.limitReports}); who is one too many fails with 503 `database_full`.
     */
    readonly as?: "reports";
  }) => Sql;
  /**
   * A tracer whose spans wait for the collector in a queue of their own, which holds so many: beyond
   * it the oldest are dropped and counted, and nobody else's are at stake.
   */
  readonly spanQueue: (capacity: number) => SpanQueue;
  /**
   * A cache in a small Valkey that holds nothing else: empty, and with its usual limits again when
   * the run is over, so that these may be changed. Needs the service `valkey-cache`.
   */
  readonly openSmallCache: () => Promise<Cache>;
  /**
   * Name of a table with so many orders, for queries that need its size: `orders` itself for 500,000,
   * else one that is filled when it is missing, and kept until another size is asked for.
   */
  readonly ordersTable: (rows: number) => Promise<string>;
  /**
   * Answers 504 `deadline_exceeded` when `work` takes longer than `ms`. The signal tells the work;
   * whether it stops is its own business.
   */
  readonly withDeadline: <T>(ms: number, work: (signal: AbortSignal) => Promise<T>) => Promise<T>;
  /** Cancels the query in the database (SQLSTATE 57014) when the signal is aborted. */
  readonly cancelOn: <T extends readonly Row[]>(
    signal: AbortSignal,
    query: PendingQuery<T>,
  ) => Promise<T>;
  /** Calls another service, again when that fails, as the policy allows. */
  readonly outbound: (policy: OutboundPolicy) => Outbound;
  /** Runs an export in a process of its own, and again in a new one when that dies. */
  readonly exportOrders: (job: ExportJob) => Promise<ExportResult>;
}

export interface SpanQueue {
  readonly tracer: Tracer;
  /** Sends what waits. Resolves with whether all of it went out within `timeoutMs`. */
  readonly drain: (timeoutMs: number) => Promise<boolean>;
}

export interface OutboundPolicy {
  /** Name of the service in spans and metrics. */
  readonly peer: string;
  /** Layers of code that try again, one around the other. */
  readonly layers: number;
  /** Tries of each layer, the first included. */
  readonly attempts: number;
  /** Wait before a try: a random part of it with `jitter`. */
  readonly backoffMs: number;
  readonly jitter: boolean;
  /** Failures in a row after which no call is made any more; without it every call is made. */
  readonly openAfter?: number;
}

export interface Outbound {
  /** @throws AppError 503 `upstream_failed` or `circuit_open`. */
  readonly get: (url: string) => Promise<string>;
}

export interface ExportJob {
  /** Orders per batch; the job ends after `batches`. */
  readonly batchRows: number;
  readonly batches: number;
  /** Heap of the process in MiB, `--max-old-space-size`. */
  readonly heapMb: number;
  /** What it does with batches that are written: forgets them, or keeps them for ever. */
  readonly keeps: "nothing" | "everything";
}

export interface ExportResult {
  readonly batches: number;
  /** Processes that died on the way, as a shell tells it: 134 is an abort. */
  readonly exitCodes: readonly number[];
}
