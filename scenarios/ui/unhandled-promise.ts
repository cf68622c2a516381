import { defineScenario } from "../define.ts";
import { choice, integer } from "../param-spec.ts";

export default defineScenario({
  id: "ui.unhandled-promise",
  title: "A rejected promise that nobody awaits",
  summary:
    "The page saves in the background and never looks back; the failure reaches only the window.",
  story: `The page shows the order and saves a note in the background: \`void save()\`. Saving fails, the promise is rejected, and nobody holds it. Nothing on the page changes, no boundary can catch it, and the person goes on believing that the note is kept.

The browser tells the window, where Sentry listens: the event is unhandled, with mechanism \`onunhandledrejection\`. Its trace is that of the click, although the click's work was over when it happened. All spans are green: no request has failed.

When the reason is no Error but a text, the event has neither a stack nor a useful type. Teams let a linter refuse floating promises, reject with Errors only, and show the failure where the person still is.`,
  params: {
    reason: choice({
      label: "Rejected with",
      default: "an Error",
      options: ["an Error", "a text"],
    }),
    delayMs: integer({ label: "After", default: 50, min: 0, max: 2000, step: 10, unit: "ms" }),
  },
  modes: ["fault", "control", "fix"],
  stage: true,
  async serve({ sql }) {
    const [order] = await sql`select id, quantity, total_cents from orders where id = 1`;
    return { order };
  },
  expect: [
    {
      signal: "sentry",
      item: "event",
      service: "lab-web",
      level: "error",
      mechanism: "auto.browser.global_handlers.onunhandledrejection",
      handled: false,
      count: 1,
      sameTrace: true,
      why: "The window heard of the rejection, and the event is on the trace of the click that led to it.",
      hint: "Without an event somebody swallowed the rejection; with another trace the page was linked to a later click.",
    },
    {
      signal: "log",
      service: "lab-web",
      severity: "error",
      body: { matches: "quota exceeded" },
      attributes: { "exception.message": { matches: "quota exceeded" } },
      count: 1,
      correlated: true,
      modes: ["fault", "fix"],
      why: "The same as a log event on the click's span, for whoever has no Sentry.",
      hint: "The page writes it with every event that Sentry is told; see web/src/telemetry/logs.ts.",
    },
    {
      signal: "check",
      title: "only an Error tells its type and message",
      reads: ["sentry"],
      check: ({ sentry, params }) => {
        const titles = sentry.filter(({ kind }) => kind === "event").map(({ title }) => title);
        const telling = titles.filter((title) => title.startsWith("SaveError: "));
        return {
          ok: titles.length === 1 && telling.length === (params.reason === "an Error" ? 1 : 0),
          seen: titles.join("; ") || "no event",
        };
      },
      why: "A text that is thrown has no type to group by and no stack to follow.",
      hint: "Reject with an Error, whatever is at hand to say.",
    },
    {
      signal: "page",
      observation: "rejection",
      value: "unhandled",
      why: "The window was the only one to hear of it.",
      hint: "The stage listens to unhandledrejection as Sentry does.",
    },
    {
      signal: "page",
      observation: "shown",
      value: "saved",
      why: "The page says that the note is saved, which is not true: that is the damage.",
      hint: "A page that waits for the answer cannot say so.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-web",
      level: "error",
      mechanism: "generic",
      handled: true,
      count: 1,
      sameTrace: true,
      modes: ["fix"],
      why: "Caught where it was awaited, the failure is reported as handled.",
      hint: "The stage's catch has to report; showing the failure alone tells nobody else.",
    },
    {
      signal: "page",
      observation: "shown",
      value: "not saved",
      modes: ["fix"],
      why: "The person is told while something can still be done.",
      hint: "The stage shows the failure where it awaited the promise.",
    },
    {
      signal: "page",
      observation: "shown",
      value: "saved",
      modes: ["control"],
      why: "Saving works, so the same words are true.",
      hint: "Saving failed: read the event's stack.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing was rejected.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "span",
      select: { name: "scenario.run ui.unhandled-promise", service: "lab-web", status: "unset" },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "The click's own span does not fail: the promise was none of its business.",
      hint: "An error on it means that somebody awaited the promise inside the interaction.",
    },
    {
      signal: "span",
      select: { name: "SELECT orders", service: "lab-server", status: "unset" },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "The app did its part: this is a fault of the page alone.",
      hint: "If it is missing, the stage did not send the scenario's request, or traceparent was lost.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing failed in the app, so it has nothing to report.",
      hint: "An event of lab-server in this trace is a fault of its own.",
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
