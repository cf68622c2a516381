import { setTimeout as pause } from "node:timers/promises";
import type { Sql, TransactionSql } from "postgres";
import { defineScenario } from "../define.ts";
import { kill, proxy } from "../fault.ts";
import { inSpan } from "../in-span.ts";
import { attribute } from "../names.ts";
import { choice, integer } from "../param-spec.ts";

/** Seconds the first attempt would run if nobody ended it. */
const longSeconds = 10;
/** A backend whose client is gone works on, and keeps its locks, for so long after the loss. */
const orphanedSeconds = 1.5;
/** What the lab breaks from outside, it breaks so long after the request: the query is under way by then. */
const headStartMs = 2000;
/** More than one connection is not back at once: a restart takes a second or two. */
const attempts = { "one connection": 2, "all connections": 40, "restart of the database": 40 };
const betweenAttemptsMs = 250;

/** The comment tells the victim from the app's other statements; it never reaches a span. */
async function report(sql: Sql | TransactionSql, seconds: number): Promise<unknown> {
  const [row] = await sql`
    select /* db.connection-reset */ count(*)::integer as orders,
      (select pg_sleep(${seconds}::float8)::text) as waited
    from orders where customer_id = 1`;
  return row?.orders;
}

/** The connection is gone, or there is nobody to connect to yet (57P03: the database is starting up). */
const isLost = (error: unknown): boolean =>
  /^(?:CONNECTION_|CONNECT_TIMEOUT|ECONN|57P)/.test(
    String((error as { readonly code?: unknown } | null)?.code),
  );

export default defineScenario({
  id: "db.connection-reset",
  title: "Database connection lost mid-query",
  summary:
    "The backend that runs a query is ended; the app reports it and tries again on a new one.",
  story: `A report is being read when the database ends the backend that works on it: an operator, an out-of-memory kill. Or all connections of the app are reset at once, as by a failover; or the database is killed and starts again, and for a moment nobody can connect. The client sees no SQLSTATE, because nobody is left to send one; the driver says CONNECTION_CLOSED.

The trace shows a red SELECT inside the first attempt, then a second attempt with \`lab.retry.attempt\` 2 on another connection. Sentry holds one handled event, the log one warning. The process does not restart.

That last point is not free. Inside a transaction the driver of this app, postgres.js 3.4, still sends a rollback to the connection that is gone; that throws outside every promise, ends the process, and leaves a dead slot in the pool. The app refuses such writes before the driver sees them and counts them in \`lab_driver_fault_total\`.

When the connection is lost and not the backend, the backend does not know: inside a transaction it holds its locks until its query ends, and the retry waits for them. You see that as a long UPDATE in the second attempt.

Teams retry only what may run twice: a read, or a whole transaction, which the database has rolled back. A lost connection says nothing about whether a commit had arrived.`,
  params: {
    where: choice({
      label: "Where it happens",
      default: "inside a transaction",
      options: ["outside a transaction", "inside a transaction"],
    }),
    lost: choice({
      label: "What is lost",
      help: "All connections are reset by the lab's proxy, a restart is a kill of the database; both come two seconds after the click, when the query is sure to run.",
      default: "one connection",
      options: ["one connection", "all connections", "restart of the database"],
    }),
    afterMs: integer({
      label: "Into the query, at least",
      default: 0,
      min: 0,
      max: 1000,
      step: 50,
      unit: "ms",
    }),
  },
  modes: ["fault", "control"],
  leases: ["postgres", "metrics"],
  timeoutMs: 30_000,
  faults: ({ lost, afterMs }) => {
    switch (lost) {
      case "one connection":
        return [];
      case "all connections":
        return [proxy("postgres").reset({ afterMs: headStartMs + afterMs, forMs: 50 })];
      case "restart of the database":
        return [kill("postgres", { afterMs: headStartMs + afterMs })];
    }
  },
  async serve({ mode, params, sql, log, tracer, backends, report: tellSentry }) {
    const atMost = attempts[params.lost];
    const firstSeconds =
      params.lost === "all connections"
        ? (headStartMs + params.afterMs) / 1000 + orphanedSeconds
        : longSeconds;
    const terminate = async (): Promise<void> => {
      if (params.lost !== "one connection") return;
      await pause(params.afterMs);
      await backends.terminate("db.connection-reset");
    };
    const read = async (seconds: number): Promise<unknown> => {
      if (params.where === "outside a transaction") return report(sql, seconds);
      return sql.begin(async (tx) => {
        await tx`update customers set city = city where id = 1`;
        return report(tx, seconds);
      });
    };
    for (let attempt = 1; ; attempt++) {
      const breaks = mode === "fault" && attempt === 1;
      const ended = breaks ? terminate() : Promise.resolve();
      try {
        const attributes = { [attribute.retryAttempt]: attempt };
        const reading = inSpan(tracer, { name: "read report", attributes }, () =>
          read(breaks ? firstSeconds : 0),
        );
        const [orders] = await Promise.all([reading, ended]);
        return { orders, attempts: attempt };
      } catch (error) {
        if (attempt === atMost || !isLost(error)) throw error;
        await ended;
        if (attempt === 1) {
          log.warn(
            { err: error, [attribute.retryAttempt]: attempt },
            "connection lost, trying again",
          );
          tellSentry(error);
        } else await pause(betweenAttemptsMs);
      }
    }
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        status: "error",
        attributes: { "error.type": "CONNECTION_CLOSED" },
        descendantOf: { name: "read report", attributes: { "lab.retry.attempt": 1 } },
      },
      count: 1,
      why: "The query that was cut off is red, with the driver's code: the database could send none.",
      hint: "A missing span means that the loss of the connection left the query without an end.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        status: "unset",
        descendantOf: { name: "read report", attributes: { "lab.retry.attempt": { gte: 2 } } },
      },
      count: 1,
      why: "A later attempt works, and is the last: the pool gave it a connection that is alive.",
      hint: "If it fails or hangs, the lost connection poisoned its slot in the pool.",
    },
    {
      signal: "order",
      first: { name: "read report", attributes: { "lab.retry.attempt": 1 } },
      relation: "before",
      second: { name: "read report", attributes: { "lab.retry.attempt": { gte: 2 } } },
      why: "It is a retry: the second attempt begins when the first has failed.",
      hint: "Overlapping attempts would be hedging, which needs idempotent work.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      handled: true,
      mechanism: "generic",
      count: 1,
      sameTrace: true,
      why: "The loss is reported once, as handled: the request succeeded in the end.",
      hint: "A fatal event instead means that the driver's stray write ended the process.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "connection lost, trying again",
      attributes: { "lab.retry.attempt": 1 },
      count: 1,
      correlated: true,
      why: "Retries that nobody logs hide a sick database.",
      hint: "The line is written between the two attempts.",
    },
    {
      signal: "metric",
      name: "lab_driver_fault_total",
      delta: { lte: 1 },
      why: "Inside a transaction the driver writes once more to the lost connection; outside it does not.",
      hint: "More than one means that the dead connection stayed in the pool and was used again.",
    },
    {
      signal: "metric",
      name: "lab_driver_fault_total",
      delta: 0,
      modes: ["control"],
      why: "No connection was lost, so nothing was written to one.",
      hint: "Another run lost a connection meanwhile, or the database ended one by itself.",
    },
    {
      signal: "check",
      title: "the database restarts if that is what was asked for, and only then",
      check: ({ restarts, params }) => {
        const wanted = params.lost === "restart of the database" ? 1 : 0;
        const seen = restarts.postgres ?? 0;
        return { ok: seen === wanted, seen: `${seen} of ${wanted} restarts of postgres` };
      },
      why: "A connection that is lost and a database that is lost look alike from the app.",
      hint: "Restarts that nobody asked for: its log is on the Services view.",
    },
    {
      signal: "check",
      title: "where one connection is lost, the second attempt is the last",
      check: ({ spans, params }) => {
        const tries = spans.filter(({ name }) => name === "read report").length;
        return {
          ok: tries >= 2 && (tries === 2 || params.lost !== "one connection"),
          seen: `${tries} attempts`,
        };
      },
      why: "A pool that has lost one connection hands out another for the retry.",
      hint: "More attempts: a dead connection stayed in the pool, or more than one was lost.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "Losing a connection must not end the app.",
      hint: "Look for a TypeError from postgres/src/connection.js in the server's log.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The retry saved the request.",
      hint: "A 500 means that the second attempt failed too.",
    },
    {
      signal: "span",
      select: { name: "read report" },
      count: 1,
      every: { attributes: { "lab.retry.attempt": 1 } },
      modes: ["control"],
      why: "With nothing broken the first attempt is the only one.",
      hint: "Something else ended the connection: look at the database's log.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing was lost, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
    {
      signal: "log",
      severity: "error",
      count: 0,
      modes: ["fault", "control"],
      why: "The retry makes it good, so the loss is a warning and nothing worse.",
      hint: "An error line means that the retry did not help, or that somebody logs before it is known.",
    },
  ],
});
