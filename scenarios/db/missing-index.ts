import type { Sql, TransactionSql } from "postgres";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { attribute } from "../names.ts";
import { integer } from "../param-spec.ts";
import type { RunEvidence, SeenSpan } from "../run-evidence.ts";

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

const shopOrders = 500_000;
const invoice = (repeat: number, rows: number): number => (repeat * 7919) % rows;
/** Searches by a column that has an index, to compare with: so many that a busy moment weighs little. */
const comparisons = 40;
/** Where the searches of a table as big as the shop's have to be so many times slower. */
const timesSlower = 10;

/** By so much the searches have to be slower: what a scan costs grows with the table. */
const factorFor = (rows: number): number =>
  Math.min(timesSlower, (timesSlower * rows) / shopOrders);

/** Upper bounds of the histogram's buckets, in seconds. */
const bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

/**
 * A quantile of the durations of one pool's SELECTs during the run, in milliseconds, as
 * `histogram_quantile` estimates it. NaN when there were none.
 */
function quantileOf(q: number, pool: string, { metric }: Pick<RunEvidence, "metric">): number {
  const labels = { db_operation_name: "SELECT", db_client_connection_pool_name: pool };
  const change = (suffix: string, more: Readonly<Record<string, string>> = {}): number =>
    metric(`db_client_operation_duration_seconds_${suffix}`, { ...labels, ...more })?.change ?? 0;
  const rank = q * change("count");
  let [below, from] = [0, 0];
  for (const bound of bounds) {
    // Prometheus writes whole numbers with a fraction.
    const upTo = change("bucket", { le: `${bound}` }) || change("bucket", { le: `${bound}.0` });
    if (rank > 0 && upTo >= rank) {
      return 1000 * (from + ((bound - from) * (rank - below)) / (upTo - below));
    }
    [below, from] = [upTo, bound];
  }
  return rank > 0 ? 1000 * from : Number.NaN;
}

const medianOf = (spans: readonly SeenSpan[]): number => {
  const sorted = spans.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};
const shown = (ms: number): string => `${ms.toPrecision(2)} ms`;

export default defineScenario({
  id: "db.missing-index",
  title: "Missing index",
  summary: "A search by a column without an index reads the whole table to find one row.",
  story: `Somebody looks for an order by its invoice number. The column has no index, so the database reads all orders, half a million of them, and throws away all but one. Nothing fails, few rows come back, and on a developer's machine with a hundred orders nobody noticed.

You see a SELECT that is slow again and again with the same text. The plan says why: a sequential scan, half a million rows removed by the filter, thousands of buffers touched. The app asks for the plan once per run, puts those facts on a span, and writes a warning. Sentry stays silent, because slow is not an error. How slow it is, the run measures itself: afterwards it looks for orders of the same table by their id, which has an index, over a connection of its own. \`db_client_operation_duration_seconds\` has both, by the name of the pool.

The cure is an index, and the trace shows that it changes the plan and not the SQL: same query text, another node, a hundredth of the time. The fix mode builds the index inside a transaction and rolls it back at the end, so that the next run finds the table as it was. On a busy database teams use \`create index concurrently\` instead, since a plain one locks out writers while it builds.`,
  params: {
    rows: integer({
      label: "Orders",
      help: "500,000 is the shop's own table. One of another size is filled first, which takes some seconds, and kept until another one is asked for.",
      default: shopOrders,
      min: 100_000,
      max: 2_000_000,
      step: 100_000,
      unit: "rows",
    }),
    repeats: integer({ label: "Searches", default: 5, min: 1, max: 50 }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["postgres", "metrics"],
  timeoutMs: 60_000,
  async serve({ mode, params, log, tracer, workload }) {
    const { repeats, rows } = params;
    const table = await inSpan(tracer, { name: "prepare table" }, () => workload.ordersTable(rows));
    // One of its own, by whose name the metrics tell these queries from all others.
    const poolOf = (name: string): Sql =>
      workload.openPool({ name, max: 1, acquireTimeoutMs: 5000 });
    const sql = poolOf("searches");
    const byId = async (db: Sql, times: number): Promise<void> => {
      for (let repeat = 1; repeat <= times; repeat++) {
        await db`select id, total_cents, placed_at from ${db(table)} where id = ${repeat}`;
      }
    };
    const compare = () =>
      inSpan(tracer, { name: "search with an index" }, () => byId(poolOf("indexed"), comparisons));
    const search = async (db: Sql | TransactionSql): Promise<void> => {
      for (let repeat = 1; repeat <= repeats; repeat++) {
        await db`
          select id, total_cents, placed_at from ${db(table)}
          where invoice_number = ${invoice(repeat, rows)}`;
      }
      await inSpan(tracer, { name: "query plan" }, async (span) => {
        const [row] = await db<{ "QUERY PLAN": readonly { readonly Plan: PlanNode }[] }[]>`
          explain (analyze, buffers, format json)
          select id, total_cents, placed_at from ${db(table)}
          where invoice_number = ${invoice(1, rows)}`;
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
        await compare();
        break;
      case "control":
        await byId(sql, repeats);
        await compare();
        break;
      case "fix":
        await sql
          .begin(async (tx) => {
            await tx`create index orders_invoice_number on ${tx(table)} (invoice_number)`;
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
        name: { matches: "^SELECT (?:archive[.])?orders" },
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
          "lab.pg.rows_removed": { gte: "0.8*${params.rows}" },
          "lab.pg.buffers": { gte: "0.002*${params.rows}" },
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
      signal: "check",
      title: "a search takes ten times as long as one with an index; in a smaller table less",
      check: ({ spans, params }) => {
        const factor = factorFor(Number(params.rows));
        const below = (parent: string): readonly SeenSpan[] => {
          const id = spans.find(({ name }) => name === parent)?.spanId;
          return spans.filter(
            ({ name, parentSpanId }) => name.startsWith("SELECT ") && parentSpanId === id,
          );
        };
        const slow = medianOf(below("scenario db.missing-index"));
        const quick = medianOf(below("search with an index"));
        return {
          ok: slow >= factor * quick,
          seen: `${shown(slow)} to ${shown(quick)} in the median, ${(slow / quick).toPrecision(2)} times, of ${factor}`,
        };
      },
      why: "The same rows by the same statement but for the column: what is left is the index.",
      hint: "Nearly the same: the searches found an index, or the machine was so busy that everything was slow.",
    },
    {
      signal: "check",
      title:
        "the metric's 95th percentile is ten times what is usual with an index; in a smaller table less",
      check: ({ metric, params }) => {
        const factor = factorFor(Number(params.rows));
        const slow = quantileOf(0.95, "searches", { metric });
        const usual = quantileOf(0.5, "indexed", { metric });
        return {
          ok: slow >= factor * usual,
          seen: `p95 ${shown(slow)}; with an index p50 ${shown(usual)}, p95 ${shown(quantileOf(0.95, "indexed", { metric }))}`,
        };
      },
      why: "This is what a dashboard shows of it: the database's durations go up, and nothing else does.",
      hint: "The histogram is observed where a query's span ends, by pool: look for one without spans.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_count",
      labels: { db_operation_name: "SELECT", db_client_connection_pool_name: "indexed" },
      delta: comparisons,
      modes: ["fault", "control"],
      why: "What the searches are compared with is measured in the same run, and counted.",
      hint: "Another number: what is compared is not the run's own work.",
    },
    {
      signal: "span",
      select: {
        name: { matches: "^EXPLAIN (?:archive[.])?orders" },
        kind: "client",
        childOf: { name: "query plan" },
      },
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
      select: {
        name: { matches: "^CREATE INDEX (?:archive[.])?orders" },
        kind: "client",
        status: "unset",
      },
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
