import { setTimeout as pause } from "node:timers/promises";
import type { Sql } from "postgres";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { choice, integer, type ParamValue } from "../param-spec.ts";
import type { RunEvidence, SeenSpan } from "../run-evidence.ts";
import { allFulfilled } from "../settled.ts";

/** Each report holds its connection at least so many times longer than a query waits for one. */
const holdsFor = 1.6;
/** The late reader comes so long before the reports are ready, in acquire timeouts. */
const comesBefore = 0.6;
/** However late it comes, the reports wait for it: so long at least it stands in the queue, in acquire timeouts. */
const waitsAtLeast = 0.3;
/** Metrics are read twice a second: a queue that lasts so long is in one of the readings. */
const seenAfterMs = 700;

/** What follows from the parameters. */
function planOf(params: Readonly<Record<string, ParamValue>>) {
  const number = (name: string): number => Number(params[name]);
  const connections = number("connections");
  const reports = Math.max(number("reports"), connections);
  const timeoutMs = number("acquireTimeoutMs");
  return {
    inDatabase: params.limit === "the database",
    connections,
    reports,
    timeoutMs,
    holdMs: Math.max(number("holdMs"), holdsFor * timeoutMs),
    /** Who gets no connection: the readers, and the reports that are too many. */
    refused: number("readers") + reports - connections,
  };
}

/** Who got no connection, from the pool or from the database. */
const refusals = ({ spans, params }: RunEvidence): readonly SeenSpan[] =>
  spans.filter(({ name, kind, status, attributes }) =>
    planOf(params).inDatabase
      ? kind === "client" && status === "error" && attributes["db.response.status_code"] === "53300"
      : name === "db.pool.acquire" && attributes["error.type"] === "pool_timeout",
  );

export default defineScenario({
  id: "db.pool-exhaustion",
  title: "Connection pool exhausted",
  summary: "Long transactions hold every connection; queries of one millisecond wait and time out.",
  story: `Some reports open a transaction, read a little, and then wait for something slow that is no database: a PDF, an upload, another service. Each keeps its connection meanwhile. When as many reports run as the pool has connections, everybody else queues, and after the acquire timeout fails with \`pool_timeout\` and 503.

No database dashboard shows it: the database is idle. The trace does. Where a query should be there is a span \`db.pool.acquire\`, as long as the timeout, red; behind a wait that was long enough the SELECT itself takes a millisecond. \`db_client_connection_pending_requests\` is above zero, \`db_client_connection_timeouts_total\` counts those who gave up.

A pool that is larger than what the database lets in only moves the refusal: then nobody waits, and the database answers new connections with SQLSTATE 53300, too many connections. There is no queue to be seen, and no timeout; the red span is the query itself, which never ran. Here the database counts the connections of the role that prepares reports, so that the rest of the shop does not notice.

A bigger pool only moves the limit, up to the one of the database. Teams take the slow wait out of the transaction, as the fix mode does; they give reports a pool of their own, so that a checkout never queues behind them; and they set an acquire timeout below the patience of their callers.`,
  params: {
    limit: choice({
      label: "Who refuses",
      help: "The app's pool lets queries wait and give up. The database refuses a new connection at once, with SQLSTATE 53300; the pool is larger then than what the database lets in.",
      default: "the pool",
      options: ["the pool", "the database"],
    }),
    connections: integer({ label: "Connections", default: 3, min: 2, max: 20 }),
    reports: integer({
      label: "Reports",
      help: "Each holds a connection. Fewer than there are connections would exhaust nothing, so there are at least as many; those that are too many get none.",
      default: 3,
      min: 1,
      max: 50,
    }),
    holdMs: integer({
      label: "A report takes",
      help: "At least 1.6 times the acquire timeout: who waits shall wait in vain.",
      default: 1100,
      min: 200,
      max: 5000,
      step: 50,
      unit: "ms",
    }),
    readers: integer({ label: "Readers that give up", default: 4, min: 1, max: 50 }),
    acquireTimeoutMs: integer({
      label: "Acquire timeout",
      help: "Metrics are read twice a second: of less than 700 ms the queue may not be seen in any of the readings.",
      default: 700,
      min: 50,
      max: 5000,
      step: 50,
      unit: "ms",
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["postgres", "metrics"],
  timeoutMs: 30_000,
  async serve({ mode, params, sql: shop, tracer, workload, backends, log }) {
    const { inDatabase, connections, reports, timeoutMs, holdMs } = planOf(params);
    const isFull = mode === "fault";
    if (inDatabase) await backends.limitReports(connections);
    const sql = workload.openPool({
      name: "reports",
      max: inDatabase && isFull ? reports + params.readers : connections,
      acquireTimeoutMs: timeoutMs,
      ...(inDatabase ? { as: "reports" } : {}),
    });
    // The control leaves one connection free, which is all that the readers need.
    const running = isFull ? reports : mode === "control" ? connections - 1 : connections;
    const allHold = Promise.withResolvers<number>();
    const readersCame = Promise.withResolvers<void>();
    if (!isFull) readersCame.resolve();
    let holding = 0;
    const render = async (): Promise<void> => {
      holding += 1;
      if (holding === Math.min(running, connections)) allHold.resolve(performance.now());
      await pause(holdMs);
      await readersCame.promise;
    };
    const prepare = () =>
      inSpan(tracer, { name: "prepare report", failure: "no connection" }, async () => {
        if (mode === "fix") {
          await sql.begin((tx) => tx`select id, total_cents from orders where id = 1`);
          await render();
        } else {
          await sql.begin(async (tx) => {
            await tx`select id, total_cents from orders where id = 1`;
            await render();
          });
        }
      });
    const read = (db: Sql) => db`select id, name from products where id = 1`;
    try {
      const prepared = Promise.allSettled(Array.from({ length: running }, prepare));
      // Where somebody else has taken them, this would be waited for in vain.
      void prepared.then(() => allHold.resolve(performance.now()));
      const heldSince = await allHold.promise;
      const { readers } = params;
      const outcomes = await Promise.allSettled(Array.from({ length: readers }, () => read(sql)));
      const refused = outcomes.filter(({ status }) => status === "rejected");
      log.info({ readers, refused: refused.length }, "readers are done");
      if (inDatabase) {
        // Who connects under another name finds room.
        await read(shop);
        readersCame.resolve();
      } else {
        // Comes when the reports are nearly ready, so it waits long enough.
        const comesAt = heldSince + holdMs - comesBefore * timeoutMs;
        if (isFull) await pause(Math.max(0, comesAt - performance.now()));
        setTimeout(readersCame.resolve, waitsAtLeast * timeoutMs);
        await read(sql);
      }
      await prepared;
      allFulfilled(outcomes);
      return { readers, refused: refused.length };
    } finally {
      readersCame.resolve();
      if (inDatabase) await backends.limitReports();
    }
  },
  expect: [
    {
      signal: "check",
      title:
        "whoever is too many gets no connection: after the acquire timeout, or from the database at once",
      check: (evidence) => {
        const { refused, inDatabase, timeoutMs } = planOf(evidence.params);
        const found = refusals(evidence);
        const inTime = found.filter(
          ({ durationMs, kind, attributes }) =>
            inDatabase ||
            (kind === "internal" &&
              attributes["db.client.connection.pool.name"] === "reports" &&
              durationMs >= 0.9 * timeoutMs),
        );
        const counted = evidence.metric("db_client_operation_duration_seconds_count", {
          error_type: "53300",
        });
        const words = inDatabase ? "refused with 53300" : "gave up at the acquire timeout";
        return {
          ok:
            found.length === refused &&
            inTime.length === refused &&
            counted?.change === (inDatabase ? refused : 0),
          seen: `${inTime.length} of ${refused} ${words}; ${counted?.change ?? "unknown how many"} counted as 53300`,
        };
      },
      why: "Each who was refused says so, and what it waited for: the trace has a span for it.",
      hint: "Without such spans a wait for the pool looks like a slow query, or like nothing at all.",
    },
    {
      signal: "check",
      title: "who waits in the pool and comes late is served; before a full database nobody waits",
      check: ({ spans, params }) => {
        const { inDatabase, timeoutMs } = planOf(params);
        const waits = spans.filter(({ name }) => name === "db.pool.acquire");
        const served = waits.filter(
          ({ status, durationMs }) => status === "unset" && durationMs >= 0.2 * timeoutMs,
        );
        return {
          ok: inDatabase ? waits.length === 0 : served.length === 1,
          seen: `${waits.length} waits, ${served.length} of them long and served`,
        };
      },
      why: "A wait that is long enough ends well: the connections are not lost, only held. A refusal by the database has no queue in front of it.",
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
      every: { durationMs: { lt: "0.3*${params.acquireTimeoutMs}+150" } },
      why: "Of all readers one reached the database, and there the query was quick: the database is not the problem.",
      hint: "A long SELECT means that the wait for the connection is counted as part of the query.",
    },
    {
      signal: "order",
      first: {
        name: { in: ["db.pool.acquire", "SELECT products"] },
        status: "error",
        attributes: { "error.type": { in: ["pool_timeout", "53300"] } },
      },
      relation: "before",
      second: { name: "SELECT products", status: "unset" },
      why: "Who gave up never reached the database: its first query comes after all of them.",
      hint: "When they overlap, the query span was opened before there was a connection.",
    },
    {
      signal: "order",
      first: {
        name: { in: ["db.pool.acquire", "SELECT products"] },
        status: "error",
        attributes: { "error.type": { in: ["pool_timeout", "53300"] } },
      },
      relation: "overlaps",
      second: { name: "prepare report" },
      why: "While readers wait, reports hold the connections: that is who to look at.",
      hint: "Look for other transactions in the trace that last as long as the wait.",
    },
    {
      signal: "check",
      title: "every connection is held by a report that does nothing with it",
      check: ({ spans, params }) => {
        const { connections, holdMs } = planOf(params);
        const reports = spans.filter(
          ({ name, status }) => name === "prepare report" && status === "unset",
        );
        const idle = reports.filter(({ spanId, durationMs }) => {
          const busy = spans.filter(({ parentSpanId }) => parentSpanId === spanId);
          const busyMs = busy.reduce((sum, span) => sum + span.durationMs, 0);
          return durationMs >= 0.95 * holdMs && durationMs - busyMs >= 0.85 * holdMs;
        });
        return {
          ok: reports.length === connections && idle.length === connections,
          seen: `${reports.length} reports held a connection, ${idle.length} of them idly, for ${holdMs} ms`,
        };
      },
      why: "Nearly all the time of a report is its own: that is who to look at.",
      hint: "If its queries fill the time, the database is slow after all.",
    },
    {
      signal: "check",
      title: "the queue in front of the pool is seen while it lasts",
      check: ({ metric, params }) => {
        const { inDatabase, timeoutMs } = planOf(params);
        const pool = { db_client_connection_pool_name: "reports" };
        const pending = metric("db_client_connection_pending_requests", pool)?.highest;
        const mayBeMissed = inDatabase || timeoutMs < seenAfterMs;
        return {
          ok: pending !== undefined && (mayBeMissed || pending >= 1),
          seen: `at most ${pending ?? "unknown"} pending${mayBeMissed ? ", too short to be sure of" : ""}`,
        };
      },
      why: "Dashboards of the pool show the queue, and whose it is.",
      hint: "A gauge is read now and then: shorter waits than the interval can be missed.",
    },
    {
      signal: "metric",
      name: "db_client_connection_pending_requests",
      returnsTo: "baseline",
      modes: ["fault", "control", "fix"],
      why: "When the reports are ready nobody waits any more.",
      hint: "Who is still counted left the queue without a word: a leak of the waiting line.",
    },
    {
      signal: "agree",
      of: [
        {
          spans: {
            name: "db.pool.acquire",
            attributes: { "db.client.connection.pool.name": "reports" },
          },
        },
        {
          metric: {
            name: "db_client_connection_wait_time_seconds_count",
            labels: { db_client_connection_pool_name: "reports" },
          },
        },
      ],
      modes: ["fault", "control", "fix"],
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
      signal: "agree",
      of: [
        { spans: { name: "BEGIN", kind: "client" } },
        {
          metric: {
            name: "db_client_operation_duration_seconds_count",
            labels: { db_operation_name: "BEGIN", db_client_connection_pool_name: "reports" },
          },
        },
      ],
      modes: ["fault", "control", "fix"],
      why: "Every transaction that got as far as the database is counted, let in or not.",
      hint: "More in the metric: spans were dropped, or another run prepares reports.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      handled: true,
      mechanism: "generic",
      exception: {
        type: "AppError",
        message: { matches: "No connection of pool reports|lets in no more connections" },
      },
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
        attributes: {
          "http.response.status_code": 503,
          "error.type": { in: ["pool_timeout", "database_full"] },
        },
      },
      count: 1,
      why: "The request says why it failed in one word, that of who refused.",
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
