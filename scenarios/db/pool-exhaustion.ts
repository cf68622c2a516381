import { setTimeout as pause } from "node:timers/promises";
import type { Sql } from "postgres";
import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

/** Each report holds its connection so many times longer than a query waits for one. */
const holdsFor = 1.6;

export default defineScenario({
  id: "db.pool-exhaustion",
  title: "Connection pool exhausted",
  summary: "Long transactions hold every connection; queries of one millisecond wait and time out.",
  story: `Some reports open a transaction, read a little, and then wait for something slow that is no database: a PDF, an upload, another service. Each keeps its connection meanwhile. When as many reports run as the pool has connections, everybody else queues, and after the acquire timeout fails with \`pool_timeout\` and 503.

No database dashboard shows it: the database is idle. The trace does. Where a query should be there is a span \`db.pool.acquire\`, as long as the timeout, red; behind a wait that was long enough the SELECT itself takes a millisecond. \`db_client_connection_pending_requests\` is above zero, \`db_client_connection_timeouts_total\` counts those who gave up.

A bigger pool only moves the limit, up to the one of the database. Teams take the slow wait out of the transaction, as the fix mode does; they give reports a pool of their own, so that a checkout never queues behind them; and they set an acquire timeout below the patience of their callers.`,
  params: {
    connections: integer({
      label: "Connections",
      help: "As many reports hold one each.",
      default: 3,
      min: 2,
      max: 20,
    }),
    readers: integer({ label: "Readers that give up", default: 4, min: 1, max: 50 }),
    acquireTimeoutMs: integer({
      label: "Acquire timeout",
      help: "Reports take 1.6 times as long. At least 700 ms: metrics are read twice a second, and the queue has to be seen in one of the readings.",
      default: 700,
      min: 700,
      max: 5000,
      step: 50,
      unit: "ms",
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["metrics"],
  timeoutMs: 30_000,
  async serve({ mode, params, tracer, workload, log }) {
    const { connections, readers, acquireTimeoutMs } = params;
    const sql = workload.openPool({ name: "reports", max: connections, acquireTimeoutMs });
    const slowMs = acquireTimeoutMs * holdsFor;
    // The control leaves one connection free, which is all that the readers need.
    const reports = mode === "control" ? connections - 1 : connections;
    const started = Array.from({ length: reports }, () => Promise.withResolvers<void>());
    const running = started.map(({ resolve, reject }) =>
      tracer
        .startActiveSpan("prepare report", async (span) => {
          const render = async () => {
            resolve();
            await pause(slowMs);
          };
          try {
            if (mode === "fix") {
              await sql.begin((tx) => tx`select id, total_cents from orders where id = 1`);
              await render();
            } else {
              await sql.begin(async (tx) => {
                await tx`select id, total_cents from orders where id = 1`;
                await render();
              });
            }
          } finally {
            span.end();
          }
        })
        .catch(reject),
    );
    await Promise.all(started.map(({ promise }) => promise));
    const read = (db: Sql) => db`select id, name from products where id = 1`;
    const outcomes = await Promise.allSettled(Array.from({ length: readers }, () => read(sql)));
    const refused = outcomes.filter(({ status }) => status === "rejected");
    log.info({ readers, refused: refused.length }, "readers are done");
    // Comes when the reports are nearly ready, so it waits long enough.
    await read(sql);
    await Promise.all(running);
    for (const outcome of refused) if (outcome.status === "rejected") throw outcome.reason;
    return { readers, refused: refused.length };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "db.pool.acquire",
        kind: "internal",
        status: "error",
        service: "lab-server",
        attributes: {
          "error.type": "pool_timeout",
          "db.client.connection.pool.name": "reports",
        },
      },
      count: "${params.readers}",
      every: { durationMs: { gte: "0.9*${params.acquireTimeoutMs}" } },
      why: "Each reader waited for a connection as long as it may, and the trace says what for.",
      hint: "Without such spans a wait for the pool looks like a slow query, or like nothing at all.",
    },
    {
      signal: "span",
      select: {
        name: "db.pool.acquire",
        status: "unset",
        durationMs: { gte: "0.2*${params.acquireTimeoutMs}" },
      },
      count: 1,
      why: "The reader that came late waited too, and was served when the first report was ready.",
      hint: "If it is red, the connections did not come back: look at how long the reports took.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT products",
        kind: "client",
        status: "unset",
        childOf: { name: "scenario db.pool-exhaustion" },
      },
      count: 1,
      every: { durationMs: { lt: "0.5*${params.acquireTimeoutMs}" } },
      why: "Of all readers one reached the database, and there the query was quick: the database is not the problem.",
      hint: "A long SELECT means that the wait for the connection is counted as part of the query.",
    },
    {
      signal: "order",
      first: { name: "db.pool.acquire", status: "error" },
      relation: "before",
      second: { name: "SELECT products" },
      why: "Who gave up never reached the database: its first query comes after all of them.",
      hint: "When they overlap, the query span was opened before there was a connection.",
    },
    {
      signal: "order",
      first: { name: "db.pool.acquire", status: "error" },
      relation: "overlaps",
      second: { name: "prepare report" },
      why: "While readers wait, reports hold the connections: that is who to look at.",
      hint: "Look for other transactions in the trace that last as long as the wait.",
    },
    {
      signal: "span",
      select: { name: "prepare report" },
      count: "${params.connections}",
      every: {
        status: "unset",
        durationMs: { gte: "1.5*${params.acquireTimeoutMs}" },
        selfTimeMs: { gte: "1.4*${params.acquireTimeoutMs}" },
      },
      why: "Every connection is held by a report that does nothing with it: nearly all its time is its own.",
      hint: "If its queries fill the time, the database is slow after all.",
    },
    {
      signal: "metric",
      name: "db_client_connection_timeouts_total",
      labels: { db_client_connection_pool_name: "reports" },
      delta: "${params.readers}",
      why: "Alerts on an exhausted pool are built on this counter.",
      hint: "It counts where the wait is given up; CONNECT_TIMEOUT of new connections is counted as well.",
    },
    {
      signal: "metric",
      name: "db_client_connection_pending_requests",
      labels: { db_client_connection_pool_name: "reports" },
      max: { gte: 1 },
      why: "The queue in front of the pool is visible while it lasts.",
      hint: "A gauge is read now and then: shorter waits than the interval can be missed.",
    },
    {
      signal: "metric",
      name: "db_client_connection_wait_time_seconds_count",
      labels: { db_client_connection_pool_name: "reports" },
      delta: "${params.readers}+1",
      why: "Everyone who had to wait is counted, however the wait ended.",
      hint: "The histogram is observed where the acquire span ends; both must agree.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "db.pool.acquire", status: "error" } },
        {
          metric: {
            name: "db_client_connection_timeouts_total",
            labels: { db_client_connection_pool_name: "reports" },
          },
        },
      ],
      why: "Traces and metrics tell the same number of timeouts.",
      hint: "More in the metric means that spans were dropped; fewer, that another path gives up without counting.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      handled: true,
      mechanism: "generic",
      exception: { type: "AppError", message: { matches: "No connection of pool reports" } },
      count: 1,
      sameTrace: true,
      why: "The request failed once, so there is one event, however many queries timed out in it.",
      hint: "One event per query would bury the issue list as soon as a pool is full.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "error",
      body: "request failed",
      count: 1,
      correlated: true,
      why: "The failed request is one line, with the trace id.",
      hint: "It is written where the app hears of the error.",
    },
    {
      signal: "span",
      select: {
        name: "POST /api/scenarios/:id",
        kind: "server",
        status: "error",
        attributes: { "http.response.status_code": 503, "error.type": "pool_timeout" },
      },
      count: 1,
      why: "The request says why it failed in the same word as the wait did.",
      hint: "A class name in error.type tells nobody what happened.",
    },
    {
      signal: "answer",
      status: 503,
      why: "503 says: not now, try again. It is the app that is full, and it is no bug of the request.",
      hint: "A 500 means that the timeout reached the client as an unknown error.",
    },
    {
      signal: "log",
      severity: "info",
      body: "readers are done",
      attributes: { refused: 0, readers: "${params.readers}" },
      count: 1,
      correlated: true,
      modes: ["control", "fix"],
      why: "With a connection to spare nobody is refused.",
      hint: "Look at the acquire spans: something else holds the connections.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", kind: "client", status: "unset" },
      count: "${params.readers}+1",
      modes: ["control", "fix"],
      why: "Every reader reached the database.",
      hint: "A missing one was refused, or its span was dropped.",
    },
    {
      signal: "span",
      select: { name: "db.pool.acquire", status: "error" },
      count: 0,
      modes: ["control", "fix"],
      why: "Nobody gave up waiting for a connection.",
      hint: "A red acquire span here means that the pool was full again.",
    },
    {
      signal: "metric",
      name: "db_client_connection_timeouts_total",
      labels: { db_client_connection_pool_name: "reports" },
      delta: 0,
      modes: ["control", "fix"],
      why: "No timeout is counted.",
      hint: "Something else used up the pool.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control", "fix"],
      why: "Nothing failed, so there is nothing to report.",
      hint: "An event here belongs to another fault.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["control", "fix"],
      why: "Reports that do not sit on their connections leave room for everybody.",
      hint: "Open the trace: something else failed.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control", "fix"],
      why: "A full pool is no reason to die: it empties by itself.",
      hint: "Look at the server's log for what ended it.",
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
