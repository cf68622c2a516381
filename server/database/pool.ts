import postgres, { type Sql } from "postgres";
import { type ConnectionCounts, countConnectionTimeout } from "../metrics.ts";
import { asConnectionClosed, type DriverHandler, type DriverQuery, unsentQuery } from "./query.ts";
import { type Peer, startQuerySpan } from "./query-spans.ts";
import { scrubDatabaseError } from "./scrub.ts";
import { type Transactions, trackTransactions } from "./transactions.ts";

/** The app's connections, instrumented, and safe against lost backends. */
export interface Pool {
  /** Stays valid when connections are lost: it always leads to working ones. */
  readonly sql: Sql;
  readonly counts: () => ConnectionCounts;
  /** Waits for running queries, at most `timeoutMs`. */
  readonly end: (timeoutMs: number) => Promise<void>;
}

/** Where the app's tables are; no other schema is searched. */
const schema = "shop";

/** The connections between two losses. After a loss new queries go to fresh ones. */
interface Generation {
  readonly sql: Sql;
  readonly running: Set<DriverQuery>;
  readonly seen: Set<object>;
  readonly transactions: Transactions;
  readonly peer: Peer;
  retired: boolean;
}

const generationOf = new WeakMap<DriverHandler, Generation>();

/** Opens no connection yet: the first query does. */
export function openPool(url: string, options: { readonly max: number }): Pool {
  let ending = false;
  let current = open();

  function open(): Generation {
    const transactions = trackTransactions((handler) => generationOf.set(handler, generation));
    const sql = postgres(url, {
      max: options.max,
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
      },
    });
    const { host, port, database } = sql.options;
    const generation: Generation = {
      sql,
      running: new Set(),
      seen: new Set(),
      transactions,
      peer: {
        address: host[0] ?? "127.0.0.1",
        port: Number(port[0] ?? 5432),
        namespace: `${database}|${schema}`,
      },
      retired: false,
    };
    const probe = unsentQuery(sql);
    generationOf.set(probe.handler, generation);
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
    void retire(lost);
  }

  const sql = new Proxy(current.sql, {
    apply: (_, self, args) => Reflect.apply(current.sql, self, args),
    get: (_, key) => Reflect.get(current.sql, key),
  });

  return {
    sql,
    counts() {
      const used = new Set<object>(current.transactions.backends());
      let pending = 0;
      for (const { state } of current.running) {
        if (state === null) pending += 1;
        else used.add(state);
      }
      return { used: used.size, idle: current.seen.size - used.size, pending };
    },
    async end(timeoutMs) {
      ending = true;
      await current.sql.end({ timeout: timeoutMs / 1000 });
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
    if (!generation.transactions.watch(this)) return Promise.resolve();
    observe(this, generation);
    return handle.call(this);
  };
}

function observe(query: DriverQuery, generation: Generation): void {
  const { resolve, reject } = query;
  const span = startQuerySpan(query, generation.peer);
  generation.running.add(query);
  const settled = (): boolean => {
    if (query.state !== null) generation.seen.add(query.state);
    return generation.running.delete(query);
  };
  query.resolve = (result) => {
    if (settled()) span.succeed(result);
    resolve(result);
  };
  query.reject = (cause) => {
    const error = asConnectionClosed(cause);
    scrubDatabaseError(error);
    if (settled()) {
      if ((error as { readonly code?: unknown }).code === "CONNECT_TIMEOUT")
        countConnectionTimeout();
      span.fail(error);
    }
    reject(error);
  };
}
