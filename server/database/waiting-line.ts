import { SpanStatusCode, trace } from "@opentelemetry/api";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";
import { codeOf } from "../error-type.ts";
import { AppError } from "../errors.ts";
import { countConnectionTimeout, observeConnectionWait } from "./connection-metrics.ts";

/** Development status in the semantic conventions, so not among the stable constants. */
const poolName = "db.client.connection.pool.name";
const timedOut = "pool_timeout";
const tracer = trace.getTracer("lab-server/pool");

/** Queries and transactions that wait for a connection, first come, first served. */
export interface WaitingLine<C> {
  readonly length: () => number;
  /**
   * Resolves with what {@link next} hands over. Shows the wait as a span `db.pool.acquire`.
   * @throws AppError 503 `pool_timeout` when it took too long; the reason of `leave` when that was called.
   */
  readonly join: () => { readonly turn: Promise<C>; readonly leave: (reason: unknown) => void };
  /** Hands a connection to who waits longest. False when nobody does. */
  readonly next: (connection: C) => boolean;
}

/** Makes an empty line for the pool `name`. */
export function waitingLine<C>(name: string, timeoutMs: number): WaitingLine<C> {
  const waiters = new Set<(connection: C) => void>();
  return {
    length: () => waiters.size,
    next(connection) {
      const [first] = waiters;
      first?.(connection);
      return first !== undefined;
    },
    join() {
      const { promise, resolve, reject } = Promise.withResolvers<C>();
      const startedAt = performance.now();
      // Outside a trace nobody would find the span.
      const span = trace.getActiveSpan() && tracer.startSpan("db.pool.acquire");
      span?.setAttribute(poolName, name);
      const over = (): void => {
        clearTimeout(timer);
        waiters.delete(take);
        observeConnectionWait(name, (performance.now() - startedAt) / 1000);
        span?.end();
      };
      const take = (connection: C): void => {
        over();
        resolve(connection);
      };
      const leave = (reason: unknown): void => {
        if (!waiters.has(take)) return;
        const message = reason instanceof Error ? reason.message : String(reason);
        const code = codeOf(reason);
        span?.setAttribute(ATTR_ERROR_TYPE, typeof code === "string" ? code : "_OTHER");
        span?.setStatus({ code: SpanStatusCode.ERROR, message });
        over();
        reject(reason);
      };
      const timer = setTimeout(() => {
        countConnectionTimeout(name);
        leave(poolTimeout(name, timeoutMs));
      }, timeoutMs);
      waiters.add(take);
      return { turn: promise, leave };
    },
  };
}

const poolTimeout = (name: string, timeoutMs: number): AppError =>
  new AppError(503, timedOut, `No connection of pool ${name} was free within ${timeoutMs} ms.`, {
    hint: "Try again in a moment; transactions that take long hold the connections.",
  });
