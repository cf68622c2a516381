import { defineScenario } from "../define.ts";
import { choice, integer } from "../param-spec.ts";
import type { RunEvidence, SeenSpan } from "../run-evidence.ts";

/** What is seen of a run that nobody waited for, by who gave up. */
interface Truth {
  /** What the driver was answered; 0: it closed the connection. */
  readonly answer: number;
  readonly status: number;
  readonly errorType: string | undefined;
  /** Of the request's span, and of the query that was cancelled. */
  readonly spanStatus: "error" | "unset";
  /** Sentry events and error lines. */
  readonly reports: number;
}
const truths = {
  "the server": {
    ...{ answer: 504, status: 504, errorType: "deadline_exceeded" },
    ...{ spanStatus: "error", reports: 1 },
  },
  "the client": {
    ...{ answer: 0, status: 499, errorType: undefined },
    ...{ spanStatus: "unset", reports: 0 },
  },
} as const satisfies Readonly<Record<string, Truth>>;
const truthOf = ({ params }: RunEvidence): Truth => truths[params.givesUp as keyof typeof truths];
const workMsOf = ({ params }: RunEvidence): number =>
  Number(params.deadlineMs) + Number(params.overrunMs);

const requestOf = ({ spans }: RunEvidence): SeenSpan | undefined =>
  spans.find(({ kind }) => kind === "server");
const queriesOf = ({ spans }: RunEvidence): readonly SeenSpan[] =>
  spans.filter(({ name, kind }) => name === "SELECT orders" && kind === "client");
const ms = (span: SeenSpan | undefined): string => `${span?.durationMs.toFixed(0) ?? "–"} ms`;

export default defineScenario({
  id: "run.timeout-abort",
  title: "Work goes on after the deadline",
  summary:
    "Nobody waits for the answer any more; the query behind it keeps running in the database.",
  story: `A request takes too long. The server has a deadline and answers 504, or the client has lost its patience and closes the connection. Either way nobody waits any more, but nobody has told the database. The query runs to its end, holds its connection, reads its rows, and the result falls on the floor. Callers who try again add one such query each time: that is how a slow database becomes a dead one.

The trace shows it by its shape: the child is longer than the parent. The SELECT ends well after the request's span, and there is even a log line from the work that goes on, written when the answer was over.

Giving up has to travel. The fix mode hands the signal on: the app asks PostgreSQL to cancel the query, which ends with SQLSTATE 57014 within milliseconds and gives its connection back.

Who gave up decides what is an error. A deadline of the server is one: the span is red, one event, one error line. A client that leaves has done what it wanted: the request's span has status 499 and is not red, nor is the cancelled query, and nobody is told. A team that reports those gets an alarm for every closed tab.`,
  params: {
    givesUp: choice({
      label: "Who gives up",
      default: "the server",
      options: ["the server", "the client"],
    }),
    deadlineMs: integer({
      label: "After",
      default: 300,
      min: 50,
      max: 5000,
      step: 10,
      unit: "ms",
      help: "A client that leaves sooner than its request has arrived leaves no trace in the app.",
    }),
    overrunMs: integer({
      label: "The query takes longer by",
      default: 900,
      min: 500,
      max: 2000,
      step: 50,
      unit: "ms",
      help: "A run takes in what comes up to two and a half seconds after its driver's end.",
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["metrics"],
  timeoutMs: 20_000,
  clientLeavesAfterMs: ({ givesUp, deadlineMs }, mode) =>
    givesUp === "the client" && mode !== "control" ? deadlineMs : undefined,
  async serve({ mode, params, sql, log, workload, signal }) {
    const { deadlineMs, overrunMs } = params;
    const seconds = mode === "control" ? 0 : (deadlineMs + overrunMs) / 1000;
    const report = () => sql`
      select count(*)::integer as orders, (select pg_sleep(${seconds}::float8)::text) as waited
      from orders where customer_id = 1`;
    const work = async (given: AbortSignal) => {
      const rows = mode === "fault" ? await report() : await workload.cancelOn(given, report());
      log.info({ abandoned: given.aborted }, "report is ready");
      return { orders: rows[0]?.orders };
    };
    return params.givesUp === "the client" ? work(signal) : workload.withDeadline(deadlineMs, work);
  },
  expect: [
    {
      signal: "check",
      title: "the query runs to its end, green, as if somebody waited",
      check(evidence) {
        const [query, ...others] = queriesOf(evidence);
        return {
          ok:
            others.length === 0 &&
            query?.status === "unset" &&
            query.attributes["db.response.status_code"] === undefined &&
            query.durationMs >= 0.9 * workMsOf(evidence),
          seen: `${ms(query)} of ${workMsOf(evidence)} ms, ${query?.status ?? "no query"}`,
        };
      },
      why: "The database was never told that nobody waits any more.",
      hint: "A short one was cancelled after all; a missing one was dropped because its parent was gone.",
    },
    {
      signal: "check",
      title: "the query ends after the request that asked for it",
      check(evidence) {
        const [query] = queriesOf(evidence);
        const request = requestOf(evidence);
        if (query === undefined || request === undefined)
          return { ok: false, seen: "no such spans" };
        const after = query.startMs + query.durationMs - (request.startMs + request.durationMs);
        return {
          ok: after > 0.5 * Number(evidence.params.overrunMs),
          seen: `${after.toFixed(0)} ms after it`,
        };
      },
      why: "The child outlives its parent: this is what work for nobody looks like in a trace.",
      hint: "If the request waits for it, nobody gave up.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        childOf: { name: "scenario run.timeout-abort" },
      },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "One query, below the work that asked for it.",
      hint: "Without a parent it was started outside the request's context.",
    },
    {
      signal: "check",
      title: "the driver had waited as long as it was meant to, and no longer",
      check(evidence) {
        const call = evidence.spans.find(({ kind, name }) => kind === "client" && name === "POST");
        const { deadlineMs } = evidence.params;
        return {
          ok:
            call !== undefined &&
            call.durationMs >= 0.9 * Number(deadlineMs) &&
            call.durationMs < 0.95 * workMsOf(evidence),
          seen: `${ms(call)}, with a deadline of ${deadlineMs} ms and ${workMsOf(evidence)} ms of work`,
        };
      },
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
      why: "Code went on when the request was over, and its line still carries the trace.",
      hint: "Without trace ids the context was lost when the request ended.",
    },
    {
      signal: "check",
      title: "the query is cancelled in time: an error to a deadline, none to a client that left",
      check(evidence) {
        const { spanStatus } = truthOf(evidence);
        const [query, ...others] = queriesOf(evidence);
        const { attributes = {}, events = [], status = "no query" } = query ?? {};
        const red = spanStatus === "error";
        const thrown = events.some(({ name }) => name === "exception");
        return {
          ok:
            others.length === 0 &&
            query !== undefined &&
            query.durationMs < 0.95 * workMsOf(evidence) &&
            attributes["db.response.status_code"] === "57014" &&
            attributes["error.type"] === (red ? "57014" : undefined) &&
            status === spanStatus &&
            thrown === red,
          seen: `${ms(query)}, SQLSTATE ${attributes["db.response.status_code"] ?? "none"}, ${status}`,
        };
      },
      modes: ["fix"],
      why: "Giving up reached the database, which ended the query there and then; whose wish it was decides on the colour.",
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
      signal: "check",
      title: "the request's span says who gave up: 504 and red, or 499 and not",
      check(evidence) {
        const truth = truthOf(evidence);
        const request = requestOf(evidence);
        const { attributes = {}, status = "no request" } = request ?? {};
        return {
          ok:
            request?.name === "POST /api/scenarios/:id" &&
            attributes["http.response.status_code"] === truth.status &&
            attributes["error.type"] === truth.errorType &&
            status === truth.spanStatus,
          seen: `${attributes["http.response.status_code"] ?? "no status"}, ${status}, ${attributes["error.type"] ?? "no error type"}`,
        };
      },
      modes: ["fault", "fix"],
      why: "A request that ran out of time is told from one that broke, and both from one that nobody wanted any more.",
      hint: "A 500 means that the deadline reached the client as an unknown error; a 404 that nobody noticed the client leave.",
    },
    {
      signal: "check",
      title: "the driver is told in time that there is no answer, or has left",
      reads: [],
      check(evidence) {
        const expected = truthOf(evidence).answer;
        const seen = evidence.answer?.status;
        return { ok: seen === expected, seen: `${seen ?? "no answer"}, expected ${expected}` };
      },
      modes: ["fault", "fix"],
      why: "Nobody waits for ever.",
      hint: "A 200 means that nobody watched the clock.",
    },
    {
      signal: "check",
      title: "a deadline is one handled event, a client that left is none",
      reads: ["sentry"],
      check(evidence) {
        const events = evidence.sentry.filter(({ kind }) => kind === "event");
        const right = events.filter(({ title, level, payload }) => {
          const text = JSON.stringify(payload);
          return (
            level === "error" &&
            title.includes(`no answer within ${evidence.params.deadlineMs} ms`) &&
            text.includes('"handled":true') &&
            text.includes('"type":"generic"')
          );
        });
        const { reports } = truthOf(evidence);
        return {
          ok: events.length === reports && right.length === reports,
          seen: events.map(({ title }) => title).join("; ") || "no event",
        };
      },
      modes: ["fault", "fix"],
      why: "The timeout is one event, the cancelled query behind it no second one; a visitor who leaves is no event at all.",
      hint: "Two events mean that the cancellation was reported as well.",
    },
    {
      signal: "check",
      title: "a deadline is one error line of this trace, a client that left is none",
      reads: ["traces", "logs"],
      check(evidence) {
        const traceId = requestOf(evidence)?.traceId;
        const lines = evidence.logs.filter(({ severity }) => severity === "error");
        const right = lines.filter(
          (line) => line.body === "request failed" && line.traceId === traceId,
        );
        const { reports } = truthOf(evidence);
        return {
          ok: lines.length === reports && right.length === reports,
          seen: lines.map(({ body }) => body).join("; ") || "no error line",
        };
      },
      modes: ["fault", "fix"],
      why: "The failed request is one line, with the trace id.",
      hint: "It is written where the app hears of the error.",
    },
    {
      signal: "check",
      title: "the request is counted under its status",
      reads: ["metrics"],
      check(evidence) {
        const { status } = truthOf(evidence);
        const counted = evidence.metric("http_server_request_duration_seconds_count", {
          http_route: "/api/scenarios/:id",
          http_response_status_code: String(status),
        });
        const change = counted?.change ?? 0;
        return { ok: change >= 1, seen: `${change} more with status ${status}` };
      },
      modes: ["fault", "fix"],
      why: "The rate of timeouts is read from this counter, and that of visitors who leave.",
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
