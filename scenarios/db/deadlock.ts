import { setTimeout as pause } from "node:timers/promises";
import type { TransactionSql } from "postgres";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { attribute } from "../names.ts";
import { choice, integer } from "../param-spec.ts";
import { allFulfilled } from "../settled.ts";

/** Before another attempt, at least; different for each, so that two victims do not meet again. */
const backoffMs = 5;

const sqlstateOf = (error: unknown): unknown => (error as { readonly code?: unknown } | null)?.code;

/** Two products, in the order in which a transaction wants them. */
type Pair = readonly [number, number];
/** What a transaction does; `met` is called when it stands where the other one can get in its way. */
type Work = (tx: TransactionSql, pair: Pair, met: () => Promise<void>) => Promise<unknown>;

/** Locks both products, one after the other. */
const lockBoth: Work = async (tx, [first, second], met) => {
  await tx`update products set price_cents = price_cents where id = ${first}`;
  await met();
  await tx`update products set price_cents = price_cents where id = ${second}`;
};

/** Reads a product that the other one reads too, and writes what follows from it. */
const readThenWrite: Work = async (tx, pair, met) => {
  const [row] = await tx`select price_cents from products where id = ${Math.min(...pair)}`;
  await met();
  await tx`update products set price_cents = ${row?.price_cents} where id = ${Math.min(...pair)}`;
};

/** The same, but who reads it to write it says so. */
const lockThenWrite: Work = async (tx, pair, met) => {
  const [row] = await tx`
    select price_cents from products where id = ${Math.min(...pair)} for update`;
  await met();
  await tx`update products set price_cents = ${row?.price_cents} where id = ${Math.min(...pair)}`;
};

export default defineScenario({
  id: "db.deadlock",
  title: "Deadlock, and a retry that wins",
  summary:
    "Two transactions lock the same rows in opposite order; the database ends one, which tries again.",
  story: `Two orders move stock between the same two products. One locks the first product and then wants the second; the other has locked the second and wants the first. Neither can go on. After \`deadlock_timeout\` PostgreSQL looks for cycles, picks one transaction and ends it with SQLSTATE 40P01.

The trace shows both: two UPDATE spans that wait for each other, one of them red with 40P01, and beside the failed attempt a second one with \`lab.retry.attempt\` 2 that goes through. The request is answered as if nothing had happened. Sentry holds nothing: the retry won, and a conflict that was resolved is no issue for a person. The log has one warning per victim, so the rate of conflicts can be watched. Without retries the request fails, and Sentry hears of it once.

Its sibling is 40001. Under REPEATABLE READ both read a price and write what follows from it; who comes second would write over what it never saw, and the database refuses. Nobody waits for anybody, the database counts no deadlock, and the cure for the victim is the same: once more, from the beginning.

Retrying the whole transaction is right, since the database has rolled it back. Better is to have no victims: transactions that lock rows in the same order cannot form a cycle, and who reads a row to write it locks it when it reads (\`for update\`). The fix mode does the one or the other.`,
  params: {
    sqlstate: choice({
      label: "Conflict",
      help: "40P01 is a deadlock. 40001 is a serialization failure: two transactions under REPEATABLE READ change the same row.",
      default: "40P01",
      options: ["40P01", "40001"],
    }),
    pairs: integer({ label: "Pairs of transactions", default: 2, min: 1, max: 10 }),
    delayMs: integer({
      label: "Between the two statements",
      help: "The database looks for deadlocks after a moment of waiting (deadlock_timeout), whatever this is.",
      default: 100,
      min: 20,
      max: 500,
      step: 10,
      unit: "ms",
    }),
    retries: integer({
      label: "Retries",
      help: "With none the first conflict fails the request.",
      default: 3,
      min: 0,
      max: 5,
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["postgres", "metrics"],
  timeoutMs: 30_000,
  async serve({ mode, params, tracer, workload, log }) {
    const { sqlstate, pairs, delayMs, retries } = params;
    const sql = workload.openPool({ name: "stock", max: 2 * pairs, acquireTimeoutMs: 10_000 });
    const isDeadlock = sqlstate === "40P01";
    const work = isDeadlock ? lockBoth : mode === "fix" ? lockThenWrite : readThenWrite;
    const isolation =
      isDeadlock || mode === "fix" ? "read committed" : ("repeatable read" as const);
    let victims = 0;
    /** `met` stands between the statements of the first attempt, `calm` before another one. */
    const move = async (
      pair: Pair,
      met: () => Promise<void>,
      calm: () => Promise<void> = () => Promise.resolve(),
    ) => {
      for (let attempt = 1; ; attempt++) {
        try {
          const attributes = { [attribute.retryAttempt]: attempt };
          return await inSpan(tracer, { name: "move stock", failure: "conflict", attributes }, () =>
            sql.begin(`isolation level ${isolation}`, (tx) =>
              work(tx, pair, attempt === 1 ? met : () => Promise.resolve()),
            ),
          );
        } catch (error) {
          if (sqlstateOf(error) !== sqlstate) throw error;
          const isLast = attempt > retries;
          victims += 1;
          log.warn(
            { err: error, sqlstate, [attribute.retryAttempt]: attempt },
            isLast ? "conflict, giving up" : "conflict, trying again",
          );
          if (isLast) throw error;
          await calm();
          await pause(backoffMs * (1 + Math.random()));
        }
      }
    };
    const done = await Promise.allSettled(
      Array.from({ length: pairs }, async (_, place) => {
        const [low, high] = [2 * place + 1, 2 * place + 2];
        const alone = () => pause(delayMs);
        switch (mode) {
          case "control":
            // The same two moves, one after the other.
            await move([low, high], alone);
            await move([high, low], alone);
            return;
          case "fix":
            await Promise.all([move([low, high], alone), move([low, high], alone)]);
            return;
          case "fault": {
            let arrived = 0;
            const both = Promise.withResolvers<void>();
            const meet = async () => {
              arrived += 1;
              if (arrived === 2) both.resolve();
              await both.promise;
              await pause(delayMs);
            };
            // On a busy machine a retry overtakes the other one, which was woken up and does not
            // run yet, and takes the row that it waited for: the next deadlock.
            const one = Promise.withResolvers<void>();
            const through = (pair: Pair) =>
              move(pair, meet, () => one.promise).finally(one.resolve);
            allFulfilled(await Promise.allSettled([through([low, high]), through([high, low])]));
          }
        }
      }),
    );
    allFulfilled(done);
    log.info({ moves: 2 * pairs, victims }, "stock moved");
    return { moves: 2 * pairs, victims };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "UPDATE products",
        kind: "client",
        service: "lab-server",
        status: "error",
        attributes: {
          "db.response.status_code": "${params.sqlstate}",
          "error.type": "${params.sqlstate}",
        },
        childOf: { name: "move stock", attributes: { "lab.retry.attempt": 1 } },
      },
      count: "${params.pairs}",
      every: {
        exception: { message: { matches: "deadlock detected|could not serialize access" } },
      },
      why: "The database ends exactly one transaction of each pair, and the query it ended is red with the SQLSTATE.",
      hint: "More than one per pair means that the retry ran into the next deadlock.",
    },
    {
      signal: "span",
      select: {
        name: "UPDATE products",
        status: "error",
        attributes: { "error.type": { ne: "${params.sqlstate}" } },
      },
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing else fails: neither a lock timeout nor a lost connection.",
      hint: "Look at the SQLSTATE of the red query.",
    },
    {
      signal: "check",
      title:
        "each victim tries again beside its failed attempt and wins; without retries nobody does",
      check: ({ spans, params }) => {
        const moves = spans.filter(({ name }) => name === "move stock");
        const failed = moves.filter(({ status }) => status === "error");
        const again = moves.filter(({ attributes }) => attributes["lab.retry.attempt"] === 2);
        const parent = spans.find(({ name }) => name === "scenario db.deadlock")?.spanId;
        const right = again.filter(
          ({ status, parentSpanId }) => status === "unset" && parentSpanId === parent,
        );
        const wanted = Number(params.retries) === 0 ? 0 : Number(params.pairs);
        return {
          ok:
            failed.length === Number(params.pairs) &&
            again.length === wanted &&
            right.length === wanted,
          seen: `${failed.length} victims, ${again.length} second attempts, ${right.length} of them won; ${wanted} wanted`,
        };
      },
      why: "The retry is an attempt of its own: inside the failed one it would be part of the failure.",
      hint: "If it is missing, the retry happened without a span of its own, or not at all.",
    },
    {
      signal: "check",
      title: "a second attempt starts when the first was rolled back",
      check: ({ spans, params }) => {
        const moves = spans.filter(({ name }) => name === "move stock");
        const failed = moves.filter(({ status }) => status === "error");
        const ends = failed.map(({ startMs, durationMs }) => startMs + durationMs);
        const again = moves.filter(({ attributes }) => attributes["lab.retry.attempt"] === 2);
        // The SDK takes starts from a clock of whole milliseconds, and durations from a finer one.
        const early = again.filter(({ startMs }) => startMs + 1 < Math.min(...ends));
        return {
          ok: failed.length > 0 && early.length === 0 && again.length <= Number(params.pairs),
          seen: `${early.length} of ${again.length} second attempts began before any first one had ended`,
        };
      },
      why: "Overlapping attempts would compete for the same rows.",
      hint: "Look at where the retry is: it has to wait for the rollback.",
    },
    {
      signal: "order",
      first: { name: "move stock", status: "error" },
      relation: "overlaps",
      second: { name: "move stock", status: "unset", attributes: { "lab.retry.attempt": 1 } },
      why: "A conflict has two sides: the transaction that got through ran at the same time.",
      hint: "Of a deadlock the survivor's UPDATE ends right after the victim's.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: { matches: "^conflict, " },
      attributes: { "lab.retry.attempt": 1, sqlstate: "${params.sqlstate}" },
      count: "${params.pairs}",
      correlated: true,
      why: "One line per victim: a rising rate of conflicts is worth knowing, though each was resolved.",
      hint: "The database's own log tells which processes and statements were involved.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_count",
      labels: { db_collection_name: "products", error_type: "${params.sqlstate}" },
      delta: "${params.pairs}",
      why: "The operation's metric counts the victims by SQLSTATE.",
      hint: "Observed where the span ends; both must agree.",
    },
    {
      signal: "agree",
      of: [
        {
          spans: {
            name: "UPDATE products",
            status: "error",
            attributes: { "db.response.status_code": "40P01" },
          },
        },
        {
          metric: {
            name: "lab_pg_deadlocks_total",
            aliases: ["postgresql_deadlocks_total", "postgresql_deadlocks"],
          },
        },
      ],
      modes: ["fault", "control", "fix"],
      why: "The database counts its deadlocks itself: the only number that sees those of all its clients. A serialization failure is none.",
      hint: "A backend reports its counters when it is idle or ends; the Collector's receiver has this metric off by default.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "UPDATE products", status: "error" } },
        {
          metric: {
            name: "db_client_operation_duration_seconds_count",
            labels: { db_collection_name: "products", error_type: "${params.sqlstate}" },
          },
        },
        { logs: { body: { matches: "^conflict, " }, severity: "warn" } },
      ],
      why: "Spans, metric and log lines tell the same number of conflicts.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "check",
      title: "Sentry hears of it once when the retries are used up, and else never",
      reads: ["sentry"],
      modes: ["fault", "control", "fix"],
      check: ({ mode, sentry, params }) => {
        const events = sentry.filter(({ kind }) => kind === "event").length;
        const wanted = mode === "fault" && Number(params.retries) === 0 ? 1 : 0;
        return { ok: events === wanted, seen: `${events} events, wanted ${wanted}` };
      },
      why: "A conflict that a retry resolved is no issue for a person; a request that failed is.",
      hint: "An event in spite of a retry that won: the app reports attempts and not outcomes.",
    },
    {
      signal: "log",
      severity: "info",
      body: "stock moved",
      attributes: { moves: "2*${params.pairs}", victims: 0 },
      count: 1,
      correlated: true,
      modes: ["control", "fix"],
      why: "Moves that lock in the same order, or one after the other, have no victims.",
      hint: "Something else locks the same products in another order.",
    },
    {
      signal: "span",
      select: { name: "move stock" },
      count: "2*${params.pairs}",
      every: { status: "unset", attributes: { "lab.retry.attempt": 1 } },
      modes: ["control", "fix"],
      why: "The first attempt is the only one.",
      hint: "A second attempt means that there was a conflict after all.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_count",
      labels: { error_type: "${params.sqlstate}" },
      delta: 0,
      modes: ["control", "fix"],
      why: "No operation ended in a conflict.",
      hint: "Another run had one meanwhile.",
    },
    {
      signal: "check",
      title: "the request succeeds unless the retries are used up",
      reads: [],
      modes: ["fault", "control", "fix"],
      check: ({ mode, answer, params }) => {
        const wanted = mode === "fault" && Number(params.retries) === 0 ? 500 : 200;
        return { ok: answer?.status === wanted, seen: `${answer?.status}, wanted ${wanted}` };
      },
      why: "Whoever asked never learns of a conflict that a retry resolved.",
      hint: "A 500 in spite of retries means that they were used up.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control", "fix"],
      why: "A deadlock ends a transaction, not a process.",
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
