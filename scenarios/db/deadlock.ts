import { setTimeout as pause } from "node:timers/promises";
import { SpanStatusCode } from "@opentelemetry/api";
import { defineScenario } from "../define.ts";
import { attribute } from "../names.ts";
import { integer } from "../param-spec.ts";

/** Before another attempt, at least; different for each, so that two victims do not meet again. */
const backoffMs = 5;

const isDeadlock = (error: unknown): boolean =>
  (error as { readonly code?: unknown } | null)?.code === "40P01";

export default defineScenario({
  id: "db.deadlock",
  title: "Deadlock, and a retry that wins",
  summary:
    "Two transactions lock the same rows in opposite order; the database ends one, which tries again.",
  story: `Two orders move stock between the same two products. One locks the first product and then wants the second; the other has locked the second and wants the first. Neither can go on. After \`deadlock_timeout\` PostgreSQL looks for cycles, picks one transaction and ends it with SQLSTATE 40P01.

The trace shows both: two UPDATE spans that wait for each other, one of them red with 40P01, and beside the failed attempt a second one with \`lab.retry.attempt\` 2 that goes through. The request is answered as if nothing had happened. Sentry holds nothing: the retry won, and a conflict that was resolved is no issue for a person. The log has one warning per victim, so the rate of conflicts can be watched.

Retrying the whole transaction is right, since the database has rolled it back. The cure is in the order: transactions that lock rows in the same order cannot form a cycle. The fix mode sorts the ids first.`,
  params: {
    pairs: integer({ label: "Pairs of transactions", default: 2, min: 1, max: 10 }),
    delayMs: integer({
      label: "Between the two updates",
      help: "The database looks for deadlocks after a second of waiting (deadlock_timeout), whatever this is.",
      default: 100,
      min: 20,
      max: 500,
      step: 10,
      unit: "ms",
    }),
    retries: integer({
      label: "Retries",
      help: "At least one: this is about the retry that wins.",
      default: 3,
      min: 1,
      max: 5,
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["postgres", "metrics"],
  timeoutMs: 30_000,
  async serve({ mode, params, tracer, workload, log }) {
    const { pairs, delayMs, retries } = params;
    const sql = workload.openPool({ name: "stock", max: 2 * pairs, acquireTimeoutMs: 10_000 });
    let victims = 0;
    /**
     * Locks two products one after the other; `met` is called with the first lock in hand, `calm`
     * before another attempt.
     */
    const move = async (
      ids: readonly [number, number],
      met: () => Promise<void>,
      calm: () => Promise<void> = () => Promise.resolve(),
    ) => {
      for (let attempt = 1; ; attempt++) {
        try {
          return await tracer.startActiveSpan(
            "move stock",
            { attributes: { [attribute.retryAttempt]: attempt } },
            async (span) => {
              try {
                await sql.begin(async (tx) => {
                  await tx`update products set price_cents = price_cents where id = ${ids[0]}`;
                  if (attempt === 1) await met();
                  await tx`update products set price_cents = price_cents where id = ${ids[1]}`;
                });
              } catch (error) {
                span.setStatus({ code: SpanStatusCode.ERROR, message: "deadlock" });
                throw error;
              } finally {
                span.end();
              }
            },
          );
        } catch (error) {
          if (!isDeadlock(error) || attempt > retries) throw error;
          victims += 1;
          log.warn({ err: error, [attribute.retryAttempt]: attempt }, "deadlock, trying again");
          await calm();
          await pause(backoffMs * (1 + Math.random()));
        }
      }
    };
    await Promise.all(
      Array.from({ length: pairs }, async (_, pair) => {
        const [low, high] = [2 * pair + 1, 2 * pair + 2];
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
            const through = (ids: readonly [number, number]) =>
              move(ids, meet, () => one.promise).finally(one.resolve);
            await Promise.all([through([low, high]), through([high, low])]);
          }
        }
      }),
    );
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
        attributes: { "db.response.status_code": "40P01", "error.type": "40P01" },
        childOf: { name: "move stock", attributes: { "lab.retry.attempt": 1 } },
      },
      count: "${params.pairs}",
      every: { exception: { message: { matches: "deadlock" } } },
      why: "The database ends exactly one transaction of each pair, and the query it ended is red with the SQLSTATE.",
      hint: "More than one per pair means that the retry ran into the next deadlock.",
    },
    {
      signal: "span",
      select: {
        name: "UPDATE products",
        status: "error",
        attributes: { "error.type": { ne: "40P01" } },
      },
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing else fails: neither a lock timeout nor a lost connection.",
      hint: "Look at the SQLSTATE of the red query.",
    },
    {
      signal: "span",
      select: {
        name: "move stock",
        status: "unset",
        attributes: { "lab.retry.attempt": 2 },
        childOf: { name: "scenario db.deadlock" },
      },
      count: "${params.pairs}",
      why: "Each victim tries again, beside its failed attempt and not inside it, and wins.",
      hint: "If it is missing, the retry happened without a span of its own, or not at all.",
    },
    {
      signal: "order",
      first: { name: "move stock", status: "error" },
      relation: "before",
      second: { name: "move stock", attributes: { "lab.retry.attempt": 2 } },
      why: "The second attempt starts when the first was rolled back.",
      hint: "Overlapping attempts would compete for the same rows.",
    },
    {
      signal: "order",
      first: { name: "UPDATE products", status: "error" },
      relation: "overlaps",
      second: { name: "UPDATE products", status: "unset" },
      why: "A deadlock has two sides: the other transaction waits at the same time.",
      hint: "The survivor's UPDATE ends right after the victim's.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "deadlock, trying again",
      attributes: { "lab.retry.attempt": 1 },
      count: "${params.pairs}",
      correlated: true,
      why: "One line per victim: a rising rate of conflicts is worth knowing, though each was resolved.",
      hint: "The database's own log tells which processes and statements were involved.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_count",
      labels: { db_collection_name: "products", error_type: "40P01" },
      delta: "${params.pairs}",
      why: "The operation's metric counts the victims by SQLSTATE.",
      hint: "Observed where the span ends; both must agree.",
    },
    {
      signal: "metric",
      name: "lab_pg_deadlocks_total",
      aliases: ["postgresql_deadlocks_total", "postgresql_deadlocks"],
      delta: "${params.pairs}",
      why: "The database counts its deadlocks itself: the only number that sees those of all its clients.",
      hint: "A backend reports its counters when it is idle or ends; the Collector's receiver has this metric off by default.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "UPDATE products", status: "error" } },
        {
          metric: {
            name: "db_client_operation_duration_seconds_count",
            labels: { db_collection_name: "products", error_type: "40P01" },
          },
        },
        { logs: { body: "deadlock, trying again", severity: "warn" } },
      ],
      why: "Spans, metric and log lines tell the same number of deadlocks.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "A conflict that a retry resolved is no issue for a person.",
      hint: "An event means that the app reports attempts and not outcomes, or that the retries were used up.",
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
      labels: { error_type: "40P01" },
      delta: 0,
      modes: ["control", "fix"],
      why: "No operation ended in a deadlock.",
      hint: "Another run deadlocked meanwhile.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "Whoever asked never learns of it: the retry won.",
      hint: "A 500 means that the retries were used up.",
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
