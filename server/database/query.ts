import type { Sql } from "postgres";

/** A connection of postgres.js, as it shows itself to `onexecute`. */
export interface DriverConnection {
  readonly id: number;
}

/** What this app touches of postgres.js 3.4's `Query` (`postgres/src/query.js`). */
export interface DriverQuery {
  readonly strings: readonly string[];
  readonly args: readonly unknown[];
  readonly options: { onexecute?: (connection: DriverConnection) => unknown };
  readonly executed: boolean;
  /** The backend it was sent to; null while it waits for a connection. */
  readonly state: object | null;
  handler: DriverHandler;
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
  handle: () => Promise<void>;
  catch: (onRejected: (error: unknown) => void) => Promise<unknown>;
}
export type DriverHandler = (query: DriverQuery) => unknown;

/** A query of `sql` that is never sent: postgres.js sends only what is awaited. */
export const unsentQuery = (sql: Pick<Sql, "unsafe">): DriverQuery =>
  sql.unsafe("select 1") as unknown as DriverQuery;

/** Whether an error means that the connection is gone, and not that the statement is wrong. */
export function isConnectionLost(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return (
    typeof code === "string" &&
    (code.startsWith("CONNECTION_") ||
      code === "CONNECT_TIMEOUT" ||
      code === "ECONNREFUSED" ||
      code === "ECONNRESET" ||
      code === "EPIPE" ||
      // admin_shutdown, crash_shutdown, cannot_connect_now
      /^57P0[123]$/.test(code))
  );
}
