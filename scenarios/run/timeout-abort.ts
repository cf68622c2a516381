import { defineScenario, integer } from "../define.ts";

export default defineScenario({
  id: "run.timeout-abort",
  title: "Work goes on after the deadline",
  summary:
    "The request is answered with 504; the query it gave up on keeps running in the database.",
  story: `A request has a deadline. When a query takes longer, the caller gets a 504, and the code goes on to something else. But nobody has told the database. The query runs to its end, holds its connection, reads its rows, and the result falls on the floor. Callers who try again add one such query each time: that is how a slow database becomes a dead one.

The trace shows it by its shape: the child is longer than the parent. The SELECT ends well after the request's span, and there is even a log line from the work that goes on, written after the answer.

Deadlines have to travel. The fix mode hands the signal on: at the deadline the app asks PostgreSQL to cancel the query, which fails with SQLSTATE 57014 within milliseconds and gives its connection back. The answer is the same 504; what differs is what happens behind it.`,
  params: {
    deadlineMs: integer({
      label: "Deadline",
      default: 300,
      min: 50,
      max: 400,
      step: 10,
      unit: "ms",
    }),
    workMs: integer({
      label: "The query takes",
      default: 1200,
      min: 800,
      max: 2500,
      step: 50,
      unit: "ms",
    }),
  },
  modes: ["fault", "control", "fix"],
  timeoutMs: 20_000,
  async serve({ mode, params, sql, log, workload }) {
    const { deadlineMs, workMs } = params;
    const seconds = mode === "control" ? 0 : workMs / 1000;
    const report = () => sql`
      select count(*)::integer as orders, (select pg_sleep(${seconds}::float8)::text) as waited
      from orders where customer_id = 1`;
    return workload.withDeadline(deadlineMs, async (signal) => {
      const rows = mode === "fault" ? await report() : await workload.cancelOn(signal, report());
      log.info({ abandoned: signal.aborted }, "report is ready");
      return { orders: rows[0]?.orders };
    });
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        service: "lab-server",
        status: "unset",
        childOf: { name: "scenario run.timeout-abort" },
      },
      count: 1,
      every: { durationMs: { gte: "0.9*${params.workMs}" } },
      why: "The query ran to its end as if nobody had given up on it.",
      hint: "A red one was cancelled after all; a missing one was dropped because its parent was gone.",
    },
    {
      signal: "order",
      first: { name: "SELECT orders" },
      relation: "ends-after-parent",
      second: { name: "scenario run.timeout-abort" },
      why: "The child outlives its parent: this is what work for nobody looks like in a trace.",
      hint: "If the parent waits for it, the deadline was not kept.",
    },
    {
      signal: "span",
      select: { name: "scenario run.timeout-abort", status: "error" },
      count: 1,
      every: { durationMs: { gte: "0.9*${params.deadlineMs}", lt: "0.9*${params.workMs}" } },
      modes: ["fault", "fix"],
      why: "The request itself kept its deadline.",
      hint: "A longer one means that the answer waited for the query.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "report is ready",
      attributes: { abandoned: true },
      count: 1,
      correlated: true,
      why: "Code went on after the answer, and its line still carries the trace.",
      hint: "Without trace ids the context was lost when the request ended.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        status: "error",
        attributes: { "db.response.status_code": "57014", "error.type": "57014" },
      },
      count: 1,
      every: {
        durationMs: { gte: "0.9*${params.deadlineMs}", lt: "0.9*${params.workMs}" },
        exception: { message: { matches: "cancel" } },
      },
      modes: ["fix"],
      why: "The deadline reached the database, which ended the query there and then.",
      hint: "If it ran to its end, the signal was not handed on, or the cancel request was lost.",
    },
    {
      signal: "log",
      body: "report is ready",
      count: 0,
      modes: ["fix"],
      why: "No code goes on behind the answer.",
      hint: "The work has to stop where its signal says so.",
    },
    {
      signal: "span",
      select: {
        name: "POST /api/scenarios/:id",
        kind: "server",
        status: "error",
        attributes: { "http.response.status_code": 504, "error.type": "deadline_exceeded" },
      },
      count: 1,
      modes: ["fault", "fix"],
      why: "The request says that it ran out of time, and not that something broke.",
      hint: "A 500 means that the deadline reached the client as an unknown error.",
    },
    {
      signal: "answer",
      status: 504,
      modes: ["fault", "fix"],
      why: "The caller is told in time that there will be no answer.",
      hint: "A 200 means that nobody watched the clock.",
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
        message: { matches: "no answer within ${params.deadlineMs} ms" },
      },
      count: 1,
      sameTrace: true,
      modes: ["fault", "fix"],
      why: "The timeout is one event; the cancelled query behind it is no second one.",
      hint: "Two events mean that the cancellation was reported as well.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "error",
      body: "request failed",
      count: 1,
      correlated: true,
      modes: ["fault", "fix"],
      why: "The failed request is one line, with the trace id.",
      hint: "It is written where the app hears of the error.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/scenarios/:id", http_response_status_code: "504" },
      delta: { gte: 1 },
      modes: ["fault", "fix"],
      why: "The rate of timeouts is read from this counter.",
      hint: "The route label is a template; a path here would grow without bound.",
    },
    {
      signal: "log",
      severity: "info",
      body: "report is ready",
      attributes: { abandoned: false },
      count: 1,
      correlated: true,
      modes: ["control"],
      why: "A quick query is ready while somebody still waits.",
      hint: "The database was slow by itself: look at the SELECT.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["control"],
      why: "The same work within the deadline is answered.",
      hint: "Open the trace: something else took the time.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing timed out, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control", "fix"],
      why: "What fails after the answer must not end the process.",
      hint: "A promise that nobody awaits any more still needs a handler.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, also for the part that comes after the answer.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
