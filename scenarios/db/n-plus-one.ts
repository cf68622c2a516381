import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

export default defineScenario({
  id: "db.n-plus-one",
  title: "N+1 queries",
  summary: "A list is read with one query, then one more query runs for every row of it.",
  story: `The page shows customers with their latest order. The code reads the customers with one query, then asks for the order of each customer inside a loop. With an ORM this is one line that looks innocent: a lazy relation inside a map.

Every single query is fast, so no slow-query log and no database dashboard shows anything. The trace does: below one SELECT on customers hangs a comb of equal SELECTs on orders, one after the other, and the request takes as long as their sum.

Teams fix it by asking once: a join, a lateral subquery, or one query with a list of ids (what a data loader does). The fix mode uses a join, and the comb becomes one span.`,
  params: {
    n: integer({ label: "Customers", default: 50, min: 10, max: 500, step: 10, unit: "rows" }),
  },
  modes: ["fault", "control", "fix"],
  async serve({ mode, params, sql, log }) {
    const { n } = params;
    if (mode === "fix") {
      const rows = await sql`
        select customers.id, max(orders.id) as latest_order
        from customers join orders on orders.customer_id = customers.id
        where customers.id <= ${n} group by customers.id`;
      log.info({ customers: n, queries: 1 }, "customers listed");
      return { customers: rows.length, queries: 1 };
    }
    const customers = await sql<{ id: number }[]>`
      select id, name from customers order by id limit ${n}`;
    // The control does the same work for one customer: a query in a loop is no fault by itself.
    const shown = mode === "fault" ? customers : customers.slice(0, 1);
    for (const { id } of shown) {
      await sql`
        select id, total_cents, placed_at from orders
        where customer_id = ${id} order by id desc limit 1`;
    }
    log.info({ customers: shown.length, queries: shown.length + 1 }, "customers listed");
    return { customers: shown.length, queries: shown.length + 1 };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "SELECT customers",
        kind: "client",
        service: "lab-server",
        childOf: { name: "scenario db.n-plus-one" },
      },
      count: 1,
      modes: ["fault", "control"],
      why: "The list itself is one query.",
      hint: "Look at the spans below `scenario db.n-plus-one`: postgres.js queries become CLIENT spans there.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        childOf: { name: "scenario db.n-plus-one" },
      },
      count: "${params.n}",
      every: {
        status: "unset",
        attributes: {
          "db.system.name": "postgresql",
          "db.collection.name": "orders",
          "db.response.returned_rows": 1,
        },
      },
      distinct: { attribute: "db.query.text", count: 1 },
      why: "One query per customer, all with the same text: that is the fault, and the trace has to show each of them.",
      hint: "Fewer spans mean that queries escaped the instrumentation or that spans were dropped; several texts mean that values leaked into db.query.text.",
    },
    {
      signal: "order",
      first: { name: "SELECT customers" },
      relation: "before",
      second: { name: "SELECT orders" },
      why: "The loop starts when the list is there: the queries are sequential, which is why the sum hurts.",
      hint: "Check the clocks: all these spans come from one process.",
    },
    {
      signal: "check",
      title: "the queries of the loop run one after the other",
      check: ({ spans }) => {
        const comb = spans.filter(({ name }) => name === "SELECT orders");
        const sum = comb.reduce((total, { durationMs }) => total + durationMs, 0);
        const from = Math.min(...comb.map(({ startMs }) => startMs));
        const to = Math.max(...comb.map(({ startMs, durationMs }) => startMs + durationMs));
        // The SDK takes starts from a clock of whole milliseconds, and durations from a finer one.
        return {
          ok: comb.length > 1 && sum <= to - from + 2,
          seen: `${comb.length} queries take ${Math.round(sum)} ms together, within ${Math.round(to - from)} ms`,
        };
      },
      why: "None waits for a lock or for the machine, and still their times add up: that is the comb.",
      hint: "Overlapping queries are a loop that does not wait: quicker, and harder on the pool.",
    },
    {
      signal: "span",
      select: { name: "SELECT customers orders", kind: "client" },
      count: 1,
      modes: ["fix"],
      why: "The join asks once for everything.",
      hint: "A join names both tables in its summary, and so in its span name.",
    },
    {
      signal: "span",
      select: { name: "SELECT orders" },
      count: 0,
      modes: ["fix"],
      why: "With the join no query per row is left.",
      hint: "If some are left, another place still loads rows one by one.",
    },
    {
      signal: "metric",
      name: "db_client_operation_duration_seconds_count",
      labels: { db_collection_name: { in: ["customers", "orders"] } },
      delta: { gte: "${params.n}+1" },
      why: "Metrics count the same queries as the trace, without sampling.",
      hint: "The histogram is observed where the span ends; both must agree.",
    },
    {
      signal: "log",
      severity: "info",
      body: "customers listed",
      attributes: { queries: "${params.n}+1" },
      count: 1,
      correlated: true,
      why: "One line says how many queries the page cost.",
      hint: "Trace and span id come from the context; a line without them was written outside it.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing failed. Sentry finds N+1 queries in spans, not in errors.",
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
    {
      signal: "log",
      severity: "error",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Slow is not broken: alerts on error lines stay silent, which is why nobody notices.",
      hint: "Read the line: it belongs to something else that went wrong in this trace.",
    },
  ],
});
