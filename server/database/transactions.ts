import type { Sql, TransactionSql } from "postgres";
import { countDriverFault } from "../metrics.ts";
import { connectionClosed, type DriverHandler, type DriverQuery, unsentQuery } from "./query.ts";

/**
 * postgres.js 3.4.9 goes on writing to a connection that was lost inside a transaction: its own
 * `rollback` is the first to do so. The write throws a TypeError outside every promise, and the
 * connection's slot in the pool never works again (https://github.com/porsager/postgres/issues/1066).
 *
 * So the app keeps book of its transactions: a query of one whose connection is gone is refused
 * before the driver sees it.
 */
export interface Transactions {
  /** Replaces `sql.begin` and the `savepoint`s inside, and takes `sql.reserve` away. */
  readonly guard: (sql: Sql) => void;
  /**
   * To be called for every query, before it is handed to the driver. `inside`: it goes to the
   * connection that its transaction has, as does the one that opens it; `refused`: that connection
   * is gone; `alone`: it needs one of its own.
   */
  readonly watch: (query: DriverQuery) => "alone" | "inside" | "refused";
  /** To be called when a connection was lost. */
  readonly lost: (connectionId: number) => void;
  /** Backends held by transactions. */
  readonly backends: () => readonly object[];
  /** Resolves when every transaction open now has ended. */
  readonly settled: () => Promise<unknown>;
}

interface Scope {
  connectionId: number | undefined;
  backend: object | null;
  lost: boolean;
  readonly pending: Set<DriverQuery>;
  result: Promise<unknown>;
}

/** Keeps the book for one pool. `onScope` hears of the handler of every transaction and savepoint. */
export function trackTransactions(onScope: (handler: DriverHandler) => void): Transactions {
  const scopes = new Set<Scope>();
  const scopeOf = new WeakMap<DriverHandler, Scope>();
  /** The transaction whose `begin` is being handed to the driver in this very turn. */
  let opening: Scope | undefined;

  function adopt(sql: TransactionSql, scope: Scope): void {
    const { handler } = unsentQuery(sql);
    scopeOf.set(handler, scope);
    onScope(handler);
    const savepoint = sql.savepoint.bind(sql) as (...args: unknown[]) => Promise<unknown>;
    type Body = (inner: TransactionSql) => unknown;
    const guarded = (first: string | Body, second?: Body) => {
      const body = typeof first === "function" ? first : second;
      const inner = (nested: TransactionSql) => {
        adopt(nested, scope);
        return body?.(nested);
      };
      return typeof first === "string" ? savepoint(first, inner) : savepoint(inner);
    };
    Object.assign(sql, { savepoint: guarded });
  }

  function refuse(query: DriverQuery): void {
    countDriverFault();
    query.handler = () => {};
    query.catch(() => {});
    query.reject(connectionClosed());
  }

  return {
    guard(sql) {
      const begin = sql.begin.bind(sql) as unknown as (
        options: string,
        body: (inner: TransactionSql) => unknown,
      ) => Promise<unknown>;
      type Body = (inner: TransactionSql) => unknown;
      const guarded = async (first: string | Body, second?: Body) => {
        const options = typeof first === "string" ? first : "";
        const body = typeof first === "string" ? second : first;
        const scope: Scope = {
          connectionId: undefined,
          backend: null,
          lost: false,
          pending: new Set(),
          result: Promise.resolve(),
        };
        scopes.add(scope);
        opening = scope;
        scope.result = begin(options, (inner) => {
          adopt(inner, scope);
          return body?.(inner);
        });
        opening = undefined;
        try {
          return await scope.result;
        } finally {
          scopes.delete(scope);
        }
      };
      const reserve = () => {
        throw new Error("reserve() is not guarded against a lost connection: use begin()");
      };
      Object.assign(sql, { begin: guarded, reserve });
    },
    watch(query) {
      const scope = opening;
      const { onexecute } = query.options;
      if (scope !== undefined && onexecute !== undefined) {
        query.options.onexecute = (connection) => {
          scope.connectionId = connection.id;
          scope.backend = query.state;
          return onexecute(connection);
        };
        return "inside";
      }
      const own = scopeOf.get(query.handler);
      if (own === undefined) return "alone";
      if (own.lost) {
        refuse(query);
        return "refused";
      }
      const send = query.handler;
      // The driver calls the handler one turn later: the connection may be lost by then.
      query.handler = (sent) => {
        if (own.lost) return refuse(sent);
        own.pending.add(sent);
        const forget = () => own.pending.delete(sent);
        (sent as unknown as Promise<unknown>).then(forget, forget);
        return send(sent);
      };
      return "inside";
    },
    lost(connectionId) {
      for (const scope of scopes) {
        if (scope.connectionId !== connectionId) continue;
        scope.lost = true;
        // Those the driver had queued behind a running one would wait for ever.
        for (const query of scope.pending) query.reject(connectionClosed());
      }
    },
    settled: () => Promise.allSettled([...scopes].map(({ result }) => result)),
    backends: () =>
      [...scopes].flatMap(({ backend, lost }) => (backend === null || lost ? [] : [backend])),
  };
}
