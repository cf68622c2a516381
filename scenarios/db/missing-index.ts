import type { Sql, TransactionSql } from "postgres";
import { defineScenario } from "../define.ts";
import { attribute } from "../names.ts";
import { integer } from "../param-spec.ts";

/** Rows a plan may throw away before it counts as slow, whatever the machine makes of it. */
const wastefulRows = 10_000;
/** Ends the transaction of the fix without keeping the index. */
const undo = Symbol("undo");

interface PlanNode {
  readonly "Node Type": string;
  readonly "Rows Removed by Filter"?: number;
  readonly "Actual Loops"?: number;
  readonly "Shared Hit Blocks"?: number;
  readonly "Shared Read Blocks"?: number;
  readonly Plans?: readonly PlanNode[];
}

/** EXPLAIN gives averages per loop: a parallel scan has one loop per worker. */
const removedBy = (node: PlanNode): number =>
  (node["Rows Removed by Filter"] ?? 0) * (node["Actual Loops"] ?? 1);

/** The node that threw most rows away; when none did, the one that touched the table. */
function wastefulNode(node: PlanNode): PlanNode {
  const below = (node.Plans ?? []).map(wastefulNode);
  return below.reduce((worst, next) => (removedBy(next) >= removedBy(worst) ? next : worst), node);
}

const invoice = (repeat: number): number => (repeat * 7919) % 500_000;

export default defineScenario({
  id: "db.missing-index",
  title: "Missing index",
  summary: "A search by a column without an index reads the whole table to find one row.",
  story: `Somebody looks for an order by its invoice number. The column has no index, so the database reads all 500,000 orders and throws away all but one. Nothing fails, few rows come back, and on a developer's machine with a hundred orders nobody noticed.

You see a SELECT that is slow again and again with the same text. The plan says why: a sequential scan, half a million rows removed by the filter, thousands of buffers touched. The app asks for the plan once per run, puts those facts on a span, and writes a warning. Sentry stays silent, because slow is not an error.

The cure is an index, and the trace shows that it changes the plan and not the SQL: same query text, another node, a hundredth of the time. The fix mode builds the index inside a transaction and rolls it back at the end, so that the next run finds the table as it was. On a busy database teams use \`create index concurrently\` instead, since a plain one locks out writers while it builds.`,
  params: {
    repeats: integer({
      label: "Searches",
      help: "Each reads the shop's 500,000 orders. The table is the same for all runs: to fill one of another size would take longer than the search.",
      default: 5,
      min: 1,
      max: 50,
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["postgres"],
  timeoutMs: 30_000,
  async serve({ mode, params, sql, log, tracer }) {
    const { repeats } = params;
    const search = async (db: Sql | TransactionSql): Promise<void> => {
      for (let repeat = 1; repeat <= repeats; repeat++) {
        await db`
          select id, total_cents, placed_at from orders where invoice_number = ${invoice(repeat)}`;
      }
      await tracer.startActiveSpan("query plan", async (span) => {
        using _ = { [Symbol.dispose]: () => span.end() };
        const [row] = await db<{ "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }[]>`
          explain (analyze, buffers, format json)
          select id, total_cents, placed_at from orders where invoice_number = ${invoice(1)}`;
        const plan = row?.["QUERY PLAN"][0]?.Plan;
        if (plan === undefined) throw new Error("the database gave no plan");
        const node = wastefulNode(plan);
        const facts = {
          [attribute.planNode]: node["Node Type"],
          [attribute.planRowsRemoved]: Math.round(removedBy(node)),
          [attribute.planBuffers]:
            (plan["Shared Hit Blocks"] ?? 0) + (plan["Shared Read Blocks"] ?? 0),
        };
        span.setAttributes(facts);
        if (removedBy(node) > wastefulRows) log.warn(facts, "slow query");
      });
    };
    switch (mode) {
      case "fault":
        await search(sql);
        break;
      case "control":
        for (let repeat = 1; repeat <= repeats; repeat++) {
          await sql`select id, total_cents, placed_at from orders where id = ${repeat}`;
        }
        break;
      case "fix":
        await sql
          .begin(async (tx) => {
            await tx`create index orders_invoice_number on orders (invoice_number)`;
            await search(tx);
            throw undo;
          })
          .catch((error: unknown) => {
            if (error !== undo) throw error;
          });
        break;
    }
    return { searches: repeats };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        childOf: { name: "scenario db.missing-index" },
      },
      count: "${params.repeats}",
      every: { status: "unset", attributes: { "db.response.returned_rows": { lte: 1 } } },
      distinct: { attribute: "db.query.text", count: 1 },
      modes: ["fault", "control", "fix"],
      why: "Every search is one query with the same text, in all three modes: the fault is in the plan, not in the SQL.",
      hint: "Several texts mean that values leaked into db.query.text.",
    },
    {
      signal: "span",
      select: {
        name: "query plan",
        attributes: {
          "lab.pg.plan.node": "Seq Scan",
          "lab.pg.rows_removed": { gte: 400_000 },
          "lab.pg.buffers": { gte: 1000 },
        },
      },
      count: 1,
      why: "The plan reads the whole table to find one row.",
      hint: "An Index Scan here means that somebody left an index on invoice_number.",
    },
    {
      signal: "metric",
      name: "lab_pg_table_sequential_scans_total",
      aliases: ["postgresql_sequential_scans_total"],
      delta: { gte: "${params.repeats}" },
      why: "The database counts whole-table reads by itself: a dashboard finds them without any trace.",
      hint: "The Collector's receiver has this metric off by default; a backend reports its counters when it is idle.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_sum",
      labels: { db_collection_name: "orders", db_operation_name: "SELECT" },
      delta: { gte: "0.004*${params.repeats}" },
      why: "Of a search by an index this is some tenths of a millisecond; here each takes many.",
      hint: "Less means that the searches were not the slow ones: look at the plan.",
    },
    {
      signal: "span",
      select: { name: "EXPLAIN orders", kind: "client", childOf: { name: "query plan" } },
      count: 1,
      modes: ["fault", "fix"],
      why: "The plan comes from the database itself, once per run.",
      hint: "EXPLAIN ANALYZE runs the query again: it must not happen on every search.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "slow query",
      attributes: { "lab.pg.plan.node": "Seq Scan" },
      count: 1,
      correlated: true,
      why: "The warning leads from the log to the trace of the slow request.",
      hint: "The app warns when a plan throws more than 10,000 rows away.",
    },
    {
      signal: "span",
      select: {
        name: "query plan",
        attributes: { "lab.pg.plan.node": { matches: "Index" }, "lab.pg.rows_removed": 0 },
      },
      count: 1,
      modes: ["fix"],
      why: "With the index the same query touches only the rows it returns.",
      hint: "A Seq Scan despite the index means that the planner has no statistics yet.",
    },
    {
      signal: "span",
      select: { name: "CREATE INDEX orders", kind: "client", status: "unset" },
      count: 1,
      modes: ["fix"],
      why: "Building the index is the price of the fix, and the trace shows it.",
      hint: "The span is missing when the statement failed before it was sent.",
    },
    {
      signal: "span",
      select: { name: "ROLLBACK", kind: "client" },
      count: 1,
      modes: ["fix"],
      why: "The run leaves the table as it found it.",
      hint: "A COMMIT instead would make the next run of the fault pass for the wrong reason.",
    },
    {
      signal: "log",
      body: "slow query",
      count: 0,
      modes: ["control", "fix"],
      why: "An indexed search is not worth a warning.",
      hint: "Look at the plan's node on the span `query plan`.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "A slow query is not an error.",
      hint: "An event here belongs to something else that went wrong in the same trace.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "The request is slow, not broken.",
      hint: "Open the trace by the id in the traceresponse header.",
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
