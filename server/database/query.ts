import type { Sql } from "postgres";
import { codeOf } from "../error-type.ts";

/** A connection of postgres.js, as it shows itself to `onexecute`. */
export interface DriverConnection {
  readonly id: number;
}

/** What this app touches of postgres.js 3.4's `Query` (`postgres/src/query.js`). */
export interface DriverQuery {
  strings: readonly string[];
  args: readonly unknown[];
  readonly options: { onexecute?: (connection: DriverConnection) => unknown };
  readonly executed: boolean;
  /** The backend it was sent to; null while it waits for a connection. */
  readonly state: object | null;
  /** Null as long as nobody wants it cancelled. */
  readonly cancelled: unknown;
  /** Asks the database to cancel it, once; rejects when that cannot be asked. */
  canceller: ((query: DriverQuery) => Promise<unknown>) | null;
  handler: DriverHandler;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
  handle: () => Promise<void>;
  catch: (onRejected: (error: unknown) => void) => Promise<unknown>;
}
export type DriverHandler = (query: DriverQuery) => unknown;

/** A query of `sql` that is never sent: postgres.js sends only what is awaited. */
export const unsentQuery = (sql: Pick<Sql, "unsafe">, text = "select 1"): DriverQuery =>
  sql.unsafe(text) as unknown as DriverQuery;

/**
 * Makes a query that was sent safe to cancel. While its connection is being opened, postgres.js 3.4.9
 * would leave that connection to nobody for ever: the query fails at once, as it would there, and one
 * that does nothing takes its place. And nobody hears of a request to cancel that did not get through:
 * the query goes on.
 */
export function makeCancellable(query: DriverQuery): void {
  const { canceller } = query;
  query.canceller = async () => {
    if (query.state !== null) return canceller?.(query).catch(() => {});
    query.strings = ["select 1"];
    query.args = [];
    query.reject(
      Object.assign(new Error("canceling statement due to user request"), { code: "57014" }),
    );
  };
}

/**
 * An error of a connection that broke is the socket's or the driver's, as chance has it. One code
 * for both spares everybody above the difference; anything else stays as it is.
 */
export function asConnectionClosed(error: unknown): unknown {
  const code = codeOf(error);
  return code === "ECONNRESET" || code === "EPIPE" ? connectionClosed(error) : error;
}

/** The error of a query whose connection is gone; postgres.js uses the same code. */
export const connectionClosed = (cause?: unknown): Error =>
  Object.assign(new Error("the database connection was lost", { cause }), {
    code: "CONNECTION_CLOSED",
  });
