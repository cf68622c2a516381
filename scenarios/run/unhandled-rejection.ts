import { setTimeout as pause } from "node:timers/promises";
import { SpanStatusCode } from "@opentelemetry/api";
import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

export default defineScenario({
  id: "run.unhandled-rejection",
  title: "A promise nobody awaits is rejected",
  summary: "A forgotten await: the mail fails in the background and takes the whole process along.",
  story: `The order is placed and a mail is sent. The mail need not be waited for, so somebody left the \`await\` out. That works for months. Then the mail service fails once, the promise is rejected, and there is nobody to hear of it.

Node ends the process, and is right to do so: nobody knows what state it is in. With it go all requests under way, which had nothing to do with the mail. Some error trackers switch this off without a word: they report the rejection and let the process live on, broken. This app keeps Node's rule and adds that the evidence gets out first: a fatal event with mechanism \`auto.node.onunhandledrejection\`, marked unhandled, on the trace of the request; all open spans, ended with \`lab.crashed\`; exit code 70; and a new process.

The cure is one line, and a lint rule against floating promises finds the next one. The fix mode does not wait for the mail either, but listens for its failure: one handled event, and the order is answered.`,
  params: {
    mailMs: integer({
      label: "The mail fails after",
      default: 50,
      min: 0,
      max: 2000,
      step: 10,
      unit: "ms",
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["server"],
  timeoutMs: 20_000,
  async serve({ mode, params, sql, log, tracer, report }) {
    const sendMail = () =>
      tracer.startActiveSpan("send mail", async (span) => {
        try {
          await pause(params.mailMs);
          if (mode !== "control") throw new Error("mail refused: mailbox unavailable");
        } catch (error) {
          span.recordException(error as Error);
          span.setStatus({ code: SpanStatusCode.ERROR, message: String(error) });
          throw error;
        } finally {
          span.end();
        }
      });
    await sql`select id, total_cents from orders where id = 1`;
    const mailed = Promise.withResolvers<void>();
    const mail = sendMail();
    if (mode === "fix") {
      mail.catch((error) => {
        log.warn({ err: error }, "mail not sent, the order stands");
        report(error);
        mailed.resolve();
      });
    } else {
      // Only success is heard of: this is the forgotten handler.
      void mail.then(mailed.resolve);
    }
    log.info("order placed");
    // The request has more to do, and is under way when the mail fails.
    await mailed.promise;
    const [order] = await sql`select id, total_cents from orders where id = 1`;
    return { order };
  },
  expect: [
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "fatal",
      mechanism: "auto.node.onunhandledrejection",
      handled: false,
      exception: { type: "Error", message: { matches: "mailbox unavailable" } },
      count: 1,
      sameTrace: true,
      why: "The rejection is one fatal, unhandled event on the trace of the request that forgot about it.",
      hint: "Level error and a process that lives on mean that the tracker replaced Node's rule by its own.",
    },
    {
      signal: "span",
      select: {
        name: "send mail",
        service: "lab-server",
        status: "error",
        exception: { type: "Error", message: { matches: "mailbox unavailable" } },
        childOf: { name: "scenario run.unhandled-rejection" },
      },
      count: 1,
      modes: ["fault", "fix"],
      why: "The span of the mail had ended, red, before anybody knew that nobody listens; it is not lost.",
      hint: "Ended spans that wait in a batch die with the process unless it flushes them.",
    },
    {
      signal: "span",
      select: {
        name: "scenario run.unhandled-rejection",
        service: "lab-server",
        status: "error",
        attributes: { "lab.crashed": true },
      },
      count: 1,
      why: "The work that was under way shows where the process stood.",
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
      why: "The innocent request is in the trace, ended by the crash.",
      hint: "Its parent ended before it could: check that spans are ended newest first and all flushed.",
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
        childOf: { name: "scenario.run run.unhandled-rejection" },
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
      why: "As with plain Node, an unhandled rejection is a crash; the code tells it from a stop.",
      hint: "No exit means that something swallowed the rejection; 1, that Node was quicker than the crash path.",
    },
    {
      signal: "answer",
      status: { in: [0, 502] },
      why: "Nobody could answer: the connection broke, and the front door says 502.",
      hint: "A 500 means that the rejection was caught inside the request after all.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "error",
      mechanism: "generic",
      handled: true,
      count: 1,
      sameTrace: true,
      modes: ["fix"],
      why: "The same failure, heard of: one handled event.",
      hint: "None means that the handler swallows it.",
    },
    {
      signal: "sentry",
      item: "event",
      level: "fatal",
      count: 0,
      modes: ["control", "fix"],
      why: "Nothing was left unhandled.",
      hint: "A fatal event is a crash: look at its mechanism.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "mail not sent, the order stands",
      count: 1,
      correlated: true,
      modes: ["fix"],
      why: "The handler says what became of the mail.",
      hint: "It runs in the context of the request that sent it.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "order placed",
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "What was logged just before the crash is there as well.",
      hint: "Lines that wait in a batch die with the process unless it flushes them.",
    },
    {
      signal: "span",
      select: { name: "SELECT orders", kind: "client", status: "unset" },
      count: 1,
      why: "The query before the crash arrived; the one after it never came to be.",
      hint: "Two mean that the request went on as if nothing had happened.",
    },
    {
      signal: "span",
      select: { name: "SELECT orders", kind: "client", status: "unset" },
      count: 2,
      modes: ["control", "fix"],
      why: "The request goes on to its end.",
      hint: "A missing query means that it was cut off.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["control", "fix"],
      why: "A mail is no reason to end a shop.",
      hint: "Look at the server's log for what ended it.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["control", "fix"],
      why: "The order is answered, with or without its mail.",
      hint: "Open the trace: something else failed.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing failed, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, also when the process dies in the middle of it.",
      hint: "Orphans mean that a parent span was lost in the crash.",
    },
  ],
});
