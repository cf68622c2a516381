import postgres, { type Sql } from "postgres";
import { codeOf } from "../error-type.ts";
import { AppError } from "../errors.ts";
import { type ConnectionCounts, countConnectionTimeout, exposePool } from "./connection-metrics.ts";
import {
  asConnectionClosed,
  type DriverHandler,
  type DriverQuery,
  makeCancellable,
  unsentQuery,
} from "./query.ts";
import { type Peer, startQuerySpan } from "./query-spans.ts";
import { scrubDatabaseError } from "./scrub.ts";
import { type Transactions, trackTransactions } from "./transactions.ts";
import { waitingLine } from "./waiting-line.ts";

/** The app's connections, instrumented, and safe against lost backends. */
export interface Pool {
  /** Stays valid when connections are lost: it always leads to working ones. */
  readonly sql: Sql;
  readonly counts: () => ConnectionCounts;
  /**
   * Makes the database's statistics know now what the connections that are free did. By itself each
   * tells them at most once a second, and an idle one after ten. Seen by no trace and no metric;
   * never fails, and takes at most 100 ms.
   */
  readonly flushStatistics: () => Promise<void>;
  /** Waits for running queries, at most `timeoutMs`. */
  readonly end: (timeoutMs: number) => Promise<void>;
}

export interface PoolOptions {
  /** What its metrics call it. */
  readonly name: string;
  /** Connections at most. */
  readonly max: number;
  /** How long a query or a transaction waits for one. */
  readonly acquireTimeoutMs: number;
  /** Left out: as the app itself. */
  readonly as?: "reports";
}

const flushTimeoutMs = 100;
/** Where the app's tables are; no other schema is searched. */
const schema = "shop";

/** The connections between two losses. After a loss new queries go to fresh ones. */
interface Generation {
  readonly sql: Sql;
  /** Sends a query, by the driver. */
  readonly send: DriverHandler;
  /** Connections handed out; each carries one query or one transaction at a time. */
  taken: number;
  readonly release: () => void;
  /** Gives back those whose end the database has announced, once they are gone. */
  readonly dying: (() => void)[];
  readonly running: Set<DriverQuery>;
  readonly seen: Set<object>;
  readonly transactions: Transactions;
  readonly peer: Peer;
  retired: boolean;
}

const generationOf = new WeakMap<DriverHandler, Generation>();
/** Takes a query that belongs to no transaction and sends it as soon as a connection is free. */
const admissionOf = new WeakMap<Generation, (query: DriverQuery) => Promise<void>>();

/** Opens no connection yet: the first query does. */
export function openPool(url: string, { name, max, acquireTimeoutMs }: PoolOptions): Pool {
  let ending = false;
  const line = waitingLine<Generation>(name, acquireTimeoutMs);
  let current = open();

  function open(): Generation {
    const transactions = trackTransactions((handler) => generationOf.set(handler, generation));
    const sql = postgres(url, {
      max,
      // The app uses no array types; asking for them would cost a query per connection.
      fetch_types: false,
      connect_timeout: 5,
      idle_timeout: 0,
      max_lifetime: null,
      backoff: () => 0.1,
      connection: { application_name: "lab-server", search_path: schema },
      onnotice() {},
      onclose(connectionId) {
        transactions.lost(connectionId);
        renew(generation);
        for (const release of generation.dying.splice(0)) release();
      },
    });
    const { host, port, database } = sql.options;
    const probe = unsentQuery(sql);
    const generation: Generation = {
      sql,
      send: probe.handler,
      taken: 0,
      // A lost connection fails its query before the pool hears of the loss, in the same turn:
      // whoever waits must not be sent to that one.
      release: () =>
        queueMicrotask(() => {
          generation.taken -= 1;
          serve();
        }),
      dying: [],
      running: new Set(),
      seen: new Set(),
      transactions,
      peer: {
        pool: name,
        address: host[0] ?? "127.0.0.1",
        port: Number(port[0] ?? 5432),
        namespace: `${database}|${schema}`,
      },
      retired: false,
    };
    generationOf.set(probe.handler, generation);
    admissionOf.set(generation, admit);
    instrument(Object.getPrototypeOf(probe) as DriverQuery);
    transactions.guard(sql);
    return generation;
  }

  /**
   * A connection that was lost with a write pending never works again in postgres.js 3.4.9, and
   * nothing outside it can tell. So none of its neighbours is used for anything new.
   */
  function renew(lost: Generation): void {
    const everWorked = lost.seen.size > 0;
    if (ending || lost.retired || !everWorked) return;
    lost.retired = true;
    current = open();
    serve();
    void retire(lost);
  }

  /** A connection for who comes now, when one is free and nobody waits. */
  function take(): Generation | undefined {
    if (line.length() > 0 || current.taken >= max) return undefined;
    current.taken += 1;
    return current;
  }

  function serve(): void {
    while (current.taken < max && line.length() > 0) {
      current.taken += 1;
      line.next(current);
    }
  }

  async function admit(query: DriverQuery): Promise<void> {
    // It has failed already, and a connection that is given such a query is never free again.
    if (query.cancelled !== null) return;
    let generation = take();
    if (generation === undefined) {
      const { turn, leave } = line.join();
      const { reject } = query;
      query.reject = (error) => {
        leave(error);
        reject(error);
      };
      try {
        generation = await turn;
      } catch (error) {
        reject(error);
        return;
      }
      query.reject = reject;
    }
    observe(query, generation, generation.release);
    makeCancellable(query);
    generation.send(query);
  }

  const begin = async (...args: unknown[]): Promise<unknown> => {
    const generation = take() ?? (await line.join().turn);
    try {
      return await Reflect.apply(generation.sql.begin, generation.sql, args);
    } finally {
      generation.release();
    }
  };

  const sql = new Proxy(current.sql, {
    apply: (_, self, args) => Reflect.apply(current.sql, self, args),
    get: (_, key) => (key === "begin" ? begin : Reflect.get(current.sql, key)),
  });
  const hide = exposePool(name, counts);

  function counts(): ConnectionCounts {
    const used = new Set<object>(current.transactions.backends());
    let pending = line.length();
    for (const { state } of current.running) {
      if (state === null) pending += 1;
      else used.add(state);
    }
    return { used: used.size, idle: current.seen.size - used.size, pending };
  }

  return {
    sql,
    counts,
    async flushStatistics() {
      const { send, sql: driver } = current;
      const sent = Array.from({ length: counts().idle }, () => {
        const query = unsentQuery(driver, "select pg_stat_force_next_flush()");
        return new Promise((settle) => {
          query.resolve = settle;
          query.reject = settle;
          send(query);
        });
      });
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, flushTimeoutMs);
      await Promise.race([Promise.all(sent), late]);
      clearTimeout(timer);
    },
    async end(timeoutMs) {
      ending = true;
      await current.sql.end({ timeout: timeoutMs / 1000 });
      hide();
    },
  };
}

/** Lets the queries under way finish, then closes what is left. */
async function retire(generation: Generation): Promise<void> {
  while (generation.running.size > 0 || generation.transactions.backends().length > 0) {
    await Promise.allSettled([...generation.running, generation.transactions.settled()]);
  }
  await generation.sql.end({ timeout: 1 });
}

let instrumented = false;

/** Wraps the one funnel every query of postgres.js goes through. The prototype is shared by all pools. */
function instrument(prototype: DriverQuery): void {
  if (instrumented) return;
  instrumented = true;
  const { handle } = prototype;
  const started = new WeakSet<DriverQuery>();
  prototype.handle = function (this: DriverQuery) {
    const generation = generationOf.get(this.handler);
    if (generation === undefined || this.executed || started.has(this)) return handle.call(this);
    started.add(this);
    switch (generation.transactions.watch(this)) {
      case "refused":
        return Promise.resolve();
      case "inside":
        observe(this, generation);
        return handle.call(this);
      case "alone":
        this.handler = admissionOf.get(generation) ?? this.handler;
        return handle.call(this);
    }
  };
}

function observe(query: DriverQuery, generation: Generation, release = () => {}): void {
  const { resolve, reject } = query;
  const span = startQuerySpan(query, generation.peer);
  generation.running.add(query);
  const settled = (): boolean => {
    if (query.state !== null) generation.seen.add(query.state);
    return generation.running.delete(query);
  };
  query.resolve = (result) => {
    if (settled()) {
      release();
      span.succeed(result);
    }
    resolve(result);
  };
  query.reject = (cause) => {
    const error = asConnectionClosed(cause);
    scrubDatabaseError(error);
    if (settled()) {
      if (isFatal(error)) generation.dying.push(release);
      else release();
      if (codeOf(error) === "CONNECT_TIMEOUT") countConnectionTimeout(generation.peer.pool);
      span.fail(error);
    }
    reject(asRefusal(error));
  };
}

/** Too many connections is no fault of the query's: SQLSTATE class 53, "insufficient resources". */
function asRefusal(error: unknown): unknown {
  if (codeOf(error) !== "53300") return error;
  return new AppError(503, "database_full", "The database lets in no more connections.", {
    hint: "Try again in a moment; transactions that take long hold the connections.",
    cause: error,
  });
}

/** The connection closes right after such an error; until it has, nothing may be sent to it. */
function isFatal(error: unknown): boolean {
  const { severity, code } = Object(error) as Readonly<Record<string, unknown>>;
  return severity === "FATAL" || /^(?:CONNECTION_CLOSED|CONNECT_TIMEOUT|ECONN)/.test(String(code));
}
