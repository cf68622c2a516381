import { defineScenario } from "../define.ts";
import { choice } from "../param-spec.ts";

const boundaries = ["guarded", "unguarded", "event handler"] as const;
type Boundary = (typeof boundaries)[number];
/** How Sentry heard of it. */
const mechanisms: Readonly<Record<Boundary, string>> = {
  guarded: "generic",
  unguarded: "auto.browser.global_handlers.onerror",
  "event handler": "auto.browser.browserapierrors.addEventListener",
};
/** Part of the text that is left in the page. */
const shownFor: Readonly<Record<Boundary, string>> = {
  guarded: "This order cannot be shown.",
  unguarded: "nothing",
  "event handler": "Order 1",
};

export default defineScenario({
  id: "ui.render-error",
  title: "Component throws while rendering",
  summary:
    "The page gets its data, then a component throws over it; a boundary decides what is left.",
  story: `The answer of the app is fine, but the component reads a field that is not there and throws while it renders. The server cannot know: its span is green, its status is 200.

What the user sees depends on a boundary. Guarded, a \`<svelte:boundary>\` replaces the broken part with a fallback and its \`onerror\` reports the error: Sentry shows it as handled. Unguarded, the error reaches \`window.onerror\`: Sentry shows it as unhandled, and the part of the page stays empty.

An error in an event handler is different. The component has been rendered, so nothing is lost from the page and no boundary ever hears of it: the button just does nothing. Sentry has wrapped the listener and tells the event with \`auto.browser.browserapierrors.addEventListener\`, unhandled.

Either way the event has to carry the trace of the click, or nobody will ever find the request that belonged to it. Teams put boundaries around parts that can fail alone, report in them, and validate data where it enters the page.`,
  params: {
    boundary: choice({
      label: "Boundary around the component",
      help: "A boundary holds what is thrown while rendering; an event handler throws past it.",
      default: "guarded",
      options: boundaries,
    }),
  },
  modes: ["fault", "control"],
  stage: true,
  async serve({ sql }) {
    const [order] = await sql`
      select id, quantity, total_cents from orders where id = 1`;
    return { order };
  },
  expect: [
    {
      signal: "sentry",
      item: "event",
      service: "lab-web",
      level: "error",
      mechanism: { in: Object.values(mechanisms) },
      count: 1,
      sameTrace: true,
      why: "The browser's error is on the trace of the click that led to it.",
      hint: "A guarded error is only reported when the boundary's onerror does so; an unguarded one arrives through window.onerror, or through the listener that Sentry wrapped.",
    },
    {
      signal: "check",
      title: "guarded it is handled, else it reached the window or the wrapped listener",
      reads: ["sentry"],
      check({ sentry, params }) {
        const event = sentry.find(({ kind }) => kind === "event");
        const text = JSON.stringify(event?.payload ?? {});
        const guarded = params.boundary === "guarded";
        const type = mechanisms[params.boundary as Boundary];
        const mechanism = /"mechanism":\{[^}]*\}/.exec(text)?.[0] ?? "no mechanism";
        return {
          ok: mechanism.includes(`"${type}"`) && mechanism.includes(`"handled":${guarded}`),
          seen: mechanism,
        };
      },
      why: "Whether somebody caught it is the first thing that is asked of an error.",
      hint: "A guarded error that says unhandled passed its boundary by.",
    },
    {
      signal: "page",
      observation: "boundary",
      value: "${params.boundary}",
      why: "Who got hold of the error decides what the user sees.",
      hint: "The stage reports `guarded` when its boundary heard of the error, and otherwise what it was that threw to the window.",
    },
    {
      signal: "check",
      title:
        "the fallback stands in its place, or nothing, or the component that only fails to react",
      reads: [],
      check: ({ page, params }) => {
        const shown = String(page.shown);
        const expected = shownFor[params.boundary as Boundary];
        return { ok: shown.includes(expected), seen: `"${shown}", expected "${expected}"` };
      },
      why: "The text in the page is what a person has of it.",
      hint: "Read the stage: the boundary's `failed` snippet is its fallback.",
    },
    {
      signal: "log",
      service: "lab-web",
      severity: "error",
      body: { matches: "^TypeError: " },
      attributes: { "exception.type": "TypeError" },
      count: 1,
      correlated: true,
      why: "The error is a log event on the click's span too, for whoever has no Sentry.",
      hint: "The page writes it with every event that Sentry is told; see web/src/telemetry/logs.ts.",
    },
    {
      signal: "log",
      service: "lab-web",
      severity: "error",
      count: 0,
      modes: ["control"],
      why: "With the field present nothing is thrown, and nothing is written.",
      hint: "Read the line: something else threw in the page.",
    },
    {
      signal: "span",
      select: { name: "scenario.run ui.render-error", service: "lab-web", noParent: true },
      count: 1,
      modes: ["fault", "control"],
      why: "The click is the root: error, request and query all hang on it.",
      hint: "Look whether the page's spans reached the lab: the ingest route is /lab/ingest/v1/traces.",
    },
    {
      signal: "span",
      select: { name: "SELECT orders", service: "lab-server", status: "unset" },
      count: 1,
      modes: ["fault", "control"],
      why: "The app did its part without a failure: this is a fault of the page alone.",
      hint: "If it is missing, the stage did not send the scenario's request, or traceparent was lost.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      count: 0,
      modes: ["fault", "control"],
      why: "Nothing failed in the app, so it has nothing to report.",
      hint: "An event of lab-server in this trace is a fault of its own.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "The same data with the field present renders without an error.",
      hint: "Read the event's stack: something else threw in the page.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
