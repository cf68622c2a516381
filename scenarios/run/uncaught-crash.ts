import { defineScenario } from "../define.ts";
import { choice, integer } from "../param-spec.ts";

export default defineScenario({
  id: "run.uncaught-crash",
  title: "Uncaught error ends the process",
  summary:
    "An error outside every try ends the app while requests are open; its evidence survives.",
  story: `A timer callback throws, or a promise is rejected and nobody listens. There is no request to answer any more: the state of the process is unknown, and the only safe thing is to end it and start a new one.

What is lost is the interesting part. Spans are sent when they end, and the ones that matter have not ended: the crashing one, its request, and every other request under way. With the usual set-up the trace of a crash is empty, and Sentry shows an error without a trace.

So the app has a crash path of its own. It captures the error while the span is still active, ends all open spans as failed with \`lab.crashed\`, sends everything within two seconds, and exits with 70. The supervisor starts it again. You find a fatal event, marked unhandled, and a trace that shows where the process stood.`,
  params: {
    how: choice({
      label: "How it escapes",
      default: "exception in a timer",
      options: ["exception in a timer", "unhandled rejection"],
    }),
    delayMs: integer({ label: "After", default: 50, min: 0, max: 2000, step: 10, unit: "ms" }),
  },
  modes: ["fault", "control"],
  leases: ["server"],
  timeoutMs: 20_000,
  async serve({ mode, params, sql, log }) {
    await sql`select id, name, price_cents from products order by id limit 5`;
    log.info({ delayMs: params.delayMs }, "price update planned");
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        if (mode === "control") {
          resolve();
          return;
        }
        const error = new Error("price update failed: no price list loaded");
        if (params.how === "unhandled rejection") void Promise.reject(error);
        else throw error;
      }, params.delayMs);
    });
    return { updated: true };
  },
  expect: [
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "fatal",
      mechanism: { in: ["auto.node.onuncaughtexception", "auto.node.onunhandledrejection"] },
      handled: false,
      count: 1,
      sameTrace: true,
      why: "The crash is one fatal, unhandled event on the trace of the request that caused it.",
      hint: "Without the trace id the event was captured after the context was lost: capture before anything is awaited.",
    },
    {
      signal: "span",
      select: {
        name: "scenario run.uncaught-crash",
        service: "lab-server",
        status: "error",
        attributes: { "lab.crashed": true },
        exception: { type: "Error" },
      },
      count: 1,
      why: "The span that was open when the process died still arrives, marked as ended by the crash.",
      hint: "Open spans are lost unless something keeps a list of them and ends them before the exit.",
    },
    {
      signal: "span",
      select: {
        name: { matches: "^POST" },
        service: "lab-server",
        kind: "server",
        status: "error",
        attributes: { "lab.crashed": true },
      },
      count: 1,
      why: "The request's own span arrives too, so the trace has no hole between browser and work.",
      hint: "Its parent ended before it could: check that spans are ended newest first and all flushed.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT products",
        kind: "client",
        status: "unset",
        childOf: { name: "scenario run.uncaught-crash" },
      },
      count: 1,
      modes: ["fault", "control"],
      why: "What ended well before the crash is in the trace as well.",
      hint: "Ended spans that wait in a batch die with the process unless it flushes them.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, also when the process dies in the middle of it.",
      hint: "Orphans mean that a parent span was lost in the crash.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "fatal",
      body: "the server crashes",
      count: 1,
      correlated: true,
      why: "The last line of the process says why it ended, with the trace id.",
      hint: "The server's log on the Services view shows the same line.",
    },
    {
      signal: "span",
      select: {
        name: "POST",
        kind: "client",
        status: "error",
        childOf: { name: "scenario.run run.uncaught-crash" },
      },
      count: 1,
      why: "Whoever asked sees a request that failed, on the same trace.",
      hint: "A green one means that somebody answered in the app's place.",
    },
    {
      signal: "check",
      title: "another process answers for the metrics than before",
      reads: ["metrics"],
      check({ metric }) {
        const { before = 0, after = 0 } = metric("process_start_time_seconds") ?? {};
        return { ok: after > before, seen: `started at ${before}, then at ${after}` };
      },
      why: "`process_start_time_seconds` is how a dashboard tells that counters began anew.",
      hint: "The same time means that the process lived on.",
    },
    {
      signal: "component",
      component: "server",
      exitCode: 70,
      restarts: 1,
      why: "The app ends itself with its crash code and is started again.",
      hint: "Exit code 1 means that Node ended it before the crash path could; 137 that it was killed.",
    },
    {
      signal: "answer",
      status: { in: [0, 502] },
      why: "Nobody could answer: the connection broke, and the front door says 502.",
      hint: "A 500 means that the error was caught inside the request after all.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["control"],
      why: "The same work without the error leaves the process alone.",
      hint: "Look at the server's log for what ended it.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["control"],
      why: "The request waits for the timer and is answered.",
      hint: "Open the trace: something else failed.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing crashed, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "log",
      severity: "error",
      count: 0,
      modes: ["control"],
      why: "A server that does not crash has no last words.",
      hint: "Read the line: the crash handler or another request wrote it into this trace.",
    },
  ],
});
