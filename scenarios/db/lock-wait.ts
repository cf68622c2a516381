import { setTimeout as pause } from "node:timers/promises";
import { context, trace } from "@opentelemetry/api";
import type { Sql } from "postgres";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { attribute } from "../names.ts";
import { integer } from "../param-spec.ts";

/**
 * In the fix the holder outlasts everybody who waits, by at most so much more than twice their limit.
 * Twice, because the limit is for each lock: who comes to the head of the queue begins to wait anew,
 * for the holder itself.
 */
const outlastsMs = 5000;
/** Before a second attempt, at least: all at once they would queue again. */
const backoffMs = 10;
/** The database's gauges are read twice a second, and some time passes before the first waiter waits. */
const seenAfterMs = 700;

const isLocked = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | null)?.code === "55P03";

export default defineScenario({
  id: "db.lock-wait",
  title: "Updates wait for a row lock",
  summary: "One transaction updates a row and stays open; others wait inside the database.",
  story: `A transaction changes a customer and does not commit yet: it waits for a slow call, a batch, a person. Others want to change the same row. They are let into the database, and there they stand, each with a connection of its own, until the first one ends.

The trace shows UPDATE spans as long as the hold. The query is the same as ever and needs no CPU: time inside the database is not always work. What is needed is who stood in the way, so every waiter's span has a link to the span that holds the lock. The log says how many wait.

Teams keep transactions short and free of calls to others. They also set \`lock_timeout\`, as the fix mode does: the waiter fails fast with SQLSTATE 55P03, gives its connection back, says so, and comes again when the row is free. Migrations need it most: one ALTER TABLE that waits stops everybody behind it.`,
  params: {
    holdMs: integer({
      label: "Row is held",
      help: "In mode fix for as long as anybody waits, so that everybody runs into lock_timeout.",
      default: 800,
      min: 200,
      max: 10_000,
      step: 50,
      unit: "ms",
    }),
    waiters: integer({ label: "Waiters", default: 3, min: 1, max: 20 }),
    lockTimeoutMs: integer({
      label: "lock_timeout (fix)",
      default: 150,
      min: 100,
      max: 5000,
      step: 50,
      unit: "ms",
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["postgres", "metrics"],
  timeoutMs: 30_000,
  async serve({ mode, params, tracer, workload, log, report }) {
    const { waiters, holdMs, lockTimeoutMs } = params;
    const sql = workload.openPool({
      name: "customers",
      max: waiters + 2,
      acquireTimeoutMs: 10_000,
    });
    const taken = Promise.withResolvers<void>();
    const gaveUp = Promise.withResolvers<void>();
    /** Who has a connection: only from then on time counts, however long a busy machine takes to connect. */
    const inside = Array.from({ length: waiters }, () => Promise.withResolvers<void>());
    let waiting = waiters;
    const holder = tracer.startSpan("scenario.hold");
    const holding = context.with(trace.setSpan(context.active(), holder), async () => {
      try {
        await sql.begin(async (tx) => {
          await tx`update customers set city = city where id = 1`;
          if (mode === "control") return;
          taken.resolve();
          await Promise.all(inside.map(({ promise }) => promise));
          await pause(holdMs);
          if (mode === "fix")
            await Promise.race([gaveUp.promise, pause(2 * lockTimeoutMs + outlastsMs)]);
        });
      } finally {
        holder.end();
        // In the control the row is free before anybody asks for it.
        taken.resolve();
      }
    });
    await taken.promise;
    const change = (db: Sql, attempt: number, enter = (): void => {}) =>
      inSpan(
        tracer,
        {
          name: "change city",
          failure: "the row is locked",
          attributes: { [attribute.retryAttempt]: attempt },
          ...(mode === "control" ? {} : { links: [{ context: holder.spanContext() }] }),
        },
        () =>
          db.begin(async (tx) => {
            enter();
            if (mode === "fix")
              await tx`select set_config('lock_timeout', ${`${lockTimeoutMs}ms`}, true)`;
            await tx`update customers set city = city where id = 1`;
          }),
      );
    const changing = inside.map(async ({ resolve: enter }) => {
      try {
        await change(sql, 1, enter);
      } catch (error) {
        enter();
        waiting -= 1;
        if (waiting === 0) gaveUp.resolve();
        if (!isLocked(error)) throw error;
        log.warn({ err: error, lockTimeoutMs }, "row is locked, coming again later");
        report(error);
        await holding;
        await pause(backoffMs * (1 + Math.random()));
        await change(sql, 2);
      }
    });
    if (mode === "fault") await logWaiting(sql, waiters, holding, log);
    await Promise.all([holding, ...changing]);
    return { waiters };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "UPDATE customers",
        kind: "client",
        service: "lab-server",
        status: "unset",
        childOf: { name: "change city" },
      },
      count: "${params.waiters}",
      every: { durationMs: { gte: "0.7*${params.holdMs}" } },
      why: "Each waiter's UPDATE is as long as the row is held: the wait happens inside the database.",
      hint: "Shorter ones came when the row was free already; missing ones never got a connection.",
    },
    {
      signal: "span",
      select: { name: "change city", linksTo: { name: "scenario.hold" } },
      count: "${params.waiters}",
      why: "A link leads from who waits to who holds: without it the trace shows a slow query and no reason.",
      hint: "Links are given when a span starts; those added later are lost on some SDKs.",
    },
    {
      signal: "span",
      select: { name: "scenario.hold", status: "unset" },
      count: 1,
      every: { durationMs: { gte: "0.9*${params.holdMs}" } },
      why: "The holder itself is no failure: it is only long.",
      hint: "Look at what it does between its UPDATE and its COMMIT.",
    },
    {
      signal: "order",
      first: { name: "UPDATE customers", childOf: { name: "change city" } },
      relation: "overlaps",
      second: { name: "scenario.hold" },
      why: "They wait while the row is held.",
      hint: "Waiters that begin later were slowed down by something else.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "waiting for a row lock",
      attributes: { waiting: "${params.waiters}" },
      count: 1,
      correlated: true,
      why: "The database says itself how many of its backends wait for a lock.",
      hint: "It is read from pg_stat_activity, where wait_event_type is Lock.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_sum",
      labels: { db_collection_name: "customers", db_operation_name: "UPDATE" },
      delta: { gte: "0.0006*${params.holdMs}" },
      why: "Metrics show the waits as slow operations on that table.",
      hint: "The histogram is observed where the query span ends.",
    },
    {
      signal: "check",
      title: "the database's gauge of locks that are waited for shows the queue",
      check: ({ metric, params }) => {
        const waiting = metric("lab_pg_locks_waiting");
        const mayBeMissed = Number(params.holdMs) < seenAfterMs;
        return {
          ok: waiting !== undefined && (mayBeMissed || waiting.highest >= 1),
          seen: `at most ${waiting?.highest ?? "unknown"} waiting${mayBeMissed ? ", too short to be sure of" : ""}`,
        };
      },
      why: "A dashboard finds the queue without any trace: locks asked for and not granted.",
      hint: "A gauge is read now and then: shorter waits than the interval can be missed.",
    },
    {
      signal: "metric",
      name: "lab_pg_locks_waiting",
      returnsTo: "baseline",
      modes: ["fault", "control", "fix"],
      why: "When the run is over nobody waits any more.",
      hint: "Who still waits was left behind: look at pg_stat_activity.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "Waiting is no error, as long as nobody set a limit: this is why nobody is told.",
      hint: "An event here belongs to something else that went wrong in the same trace.",
    },
    {
      signal: "span",
      select: {
        name: "UPDATE customers",
        status: "error",
        attributes: { "db.response.status_code": "55P03", "error.type": "55P03" },
        descendantOf: { name: "change city", attributes: { "lab.retry.attempt": 1 } },
      },
      count: "${params.waiters}",
      every: { durationMs: { gte: "0.9*${params.lockTimeoutMs}" } },
      modes: ["fix"],
      why: "With a limit each waiter gives up after it, with a code of its own.",
      hint: "lock_timeout was not set on this connection, or the row was free.",
    },
    {
      signal: "span",
      select: { name: "change city", status: "unset", attributes: { "lab.retry.attempt": 2 } },
      count: "${params.waiters}",
      modes: ["fix"],
      why: "Who came again found the row free.",
      hint: "A red second attempt means that the row was held by somebody else by then.",
    },
    {
      signal: "order",
      first: { name: "scenario.hold" },
      relation: "before",
      second: { name: "change city", attributes: { "lab.retry.attempt": 2 } },
      modes: ["fix"],
      why: "The second attempt begins when the row is free, and nobody waits inside the database for that.",
      hint: "An earlier one would only fail again.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      handled: true,
      mechanism: "generic",
      exception: { type: "PostgresError" },
      count: "${params.waiters}",
      sameTrace: true,
      modes: ["fix"],
      why: "A limit that was hit is reported, as handled: now somebody hears of the lock.",
      hint: "None means that the retry swallowed the error without a word.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "row is locked, coming again later",
      count: "${params.waiters}",
      correlated: true,
      modes: ["fix"],
      why: "Each retry is a line.",
      hint: "Retries that nobody logs hide who holds locks for too long.",
    },
    {
      signal: "span",
      select: { name: "change city", attributes: { "lab.retry.attempt": 1 } },
      count: "${params.waiters}",
      every: { status: "unset", durationMs: { lt: 1000 } },
      modes: ["control"],
      why: "With the row free a change takes milliseconds.",
      hint: "Something else holds a lock on the row.",
    },
    {
      signal: "span",
      select: { name: "change city", linksTo: { name: "scenario.hold" } },
      count: 0,
      modes: ["control"],
      why: "Nobody stood in the way, so nothing is linked.",
      hint: "A link without a wait accuses the wrong transaction.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "All changes are made in the end.",
      hint: "Open the trace: something else failed.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});

/** Says how many backends wait for a lock, as soon as all do or the row is free. */
async function logWaiting(
  sql: Sql,
  waiters: number,
  holding: Promise<unknown>,
  log: { readonly info: (fields: object, message: string) => void },
): Promise<void> {
  let isHeld = true;
  const free = holding.finally(() => {
    isHeld = false;
  });
  let waiting = 0;
  while (isHeld && waiting < waiters) {
    const [row] = await sql`
      select count(*)::integer as waiting from pg_stat_activity
      where wait_event_type = 'Lock' and usename = current_user
        and position('update customers set city' in query) = 1`;
    waiting = Number(row?.waiting ?? 0);
    if (waiting < waiters) await Promise.race([pause(10), free]);
  }
  log.info({ waiting }, "waiting for a row lock");
}
