import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

export default defineScenario({
  id: "ui.long-task",
  title: "A click blocks the page",
  summary:
    "A click handler works for too long at a stretch: the next paint waits, and Interaction to Next Paint says how long.",
  story: `You click, and nothing happens: the handler computes on the only thread that could paint. No request is slow, no error is thrown, and the server has nothing to show. What a person feels is the time from the click to the next frame, Interaction to Next Paint. Up to 200 ms is good, above 500 ms is poor.

The click has to be a real one. What a script dispatches is no interaction to the browser, so a test that calls \`click()\` measures nothing: the command line's browser sends real input here, and on the page it is your own finger.

You see a span for the vital and one for the long animation frame, which names the function that blocked; the value in the app's histogram, with an exemplar that leads back to this trace; a log event and a Sentry metric. Teams cut such work into slices and give way in between, as the control run does, or move it to a worker.`,
  params: {
    blockMs: integer({
      label: "Works for",
      default: 400,
      min: 50,
      max: 2000,
      step: 50,
      unit: "ms",
    }),
  },
  modes: ["fault", "control"],
  stage: true,
  requires: ["chromium"],
  leases: ["metrics"],
  timeoutMs: 30_000,
  expect: [
    {
      signal: "page",
      observation: "latencyMs",
      value: { gte: "0.9*${params.blockMs}" },
      why: "The next frame waited for the handler, and the browser measured it.",
      hint: "Without a value nobody clicked: the stage waits for a real click on its button.",
    },
    {
      signal: "span",
      select: {
        name: "browser.web_vital.inp",
        service: "lab-web",
        attributes: { "browser.web_vital.value": { gte: "0.9*${params.blockMs}" } },
        childOf: { name: "scenario.run ui.long-task" },
      },
      count: 1,
      why: "The latency is in the trace of the click that was slow.",
      hint: "See web/src/telemetry/responsiveness.ts: the event entry of the click tells the duration.",
    },
    {
      signal: "check",
      title: "it is rated needs-improvement above 200 ms, poor above 500 ms",
      check: ({ spans }) => {
        const vital = spans.find(({ name }) => name === "browser.web_vital.inp")?.attributes;
        const value = Number(vital?.["browser.web_vital.value"]);
        const rating = value <= 200 ? "good" : value <= 500 ? "needs-improvement" : "poor";
        return {
          ok: vital?.["browser.web_vital.rating"] === rating,
          seen: `${value} ms, rated ${vital?.["browser.web_vital.rating"]}`,
        };
      },
      modes: ["fault", "control"],
      why: "Dashboards and alerts work on the rating; its limits are those of https://web.dev/articles/inp.",
      hint: "Compare the value with the thresholds in responsiveness.ts.",
    },
    {
      signal: "span",
      select: {
        name: "browser.long_animation_frame",
        service: "lab-web",
        durationMs: { gte: "0.9*${params.blockMs}" },
        descendantOf: { name: "scenario.run ui.long-task" },
      },
      count: { gte: 1 },
      why: "The frame tells what the latency does not: which script ran, and for how long.",
      hint: "Chromium 123 and later tell them with their scripts; elsewhere the page takes the time between two frames.",
    },
    {
      signal: "log",
      service: "lab-web",
      body: "browser.web_vital",
      attributes: {
        "browser.web_vital.name": "inp",
        "browser.web_vital.value": { gte: "0.9*${params.blockMs}" },
      },
      count: 1,
      correlated: true,
      why: "The same as a log event, for whoever keeps vitals with the logs.",
      hint: "The page sends it to /lab/ingest/v1/logs.",
    },
    {
      signal: "metric",
      name: "web_vital_inp_seconds_sum",
      delta: { gte: "0.0009*${params.blockMs}" },
      why: "The app's histogram grew by at least this click.",
      hint: "The page posts it to /api/vitals; look for that request's span below the vital's.",
    },
    {
      signal: "metric",
      name: "web_vital_inp_seconds_bucket",
      exemplar: true,
      modes: ["fault", "control"],
      why: "From the bucket of slow clicks an exemplar leads to this very trace.",
      hint: "The histogram takes the active span: traceparent has to come with the page's request.",
    },
    {
      signal: "span",
      select: {
        name: "POST /api/vitals",
        service: "lab-server",
        kind: "server",
        attributes: { "http.response.status_code": 204 },
        childOf: { name: "browser.web_vital.inp" },
      },
      count: 1,
      modes: ["fault", "control"],
      why: "The app took the vital, in the vital's own trace.",
      hint: "A 400 means that the body was refused: its form is in server/vitals/route.ts.",
    },
    {
      signal: "check",
      title: "Sentry has the metric browser.web_vital.inp of this trace",
      reads: ["traces", "sentry"],
      modes: ["fault", "control"],
      check: ({ spans, sentry }) => {
        const trace = spans.find(({ name }) => name === "browser.web_vital.inp")?.traceId;
        const metrics = sentry.filter(({ kind }) => kind === "metric");
        const own = metrics.filter(
          ({ traceId, payload }) =>
            traceId === trace && JSON.stringify(payload).includes("browser.web_vital.inp"),
        );
        return { ok: own.length === 1, seen: `${own.length} of ${metrics.length} metrics` };
      },
      why: "Sentry gets the value as a metric on the same trace.",
      hint: "The SDK keeps metrics for some seconds unless the page flushes it.",
    },
    {
      signal: "span",
      select: {
        name: "browser.web_vital.inp",
        attributes: { "browser.web_vital.value": { lt: "0.9*${params.blockMs}" } },
      },
      count: 1,
      modes: ["control"],
      why: "The same work in slices: the page paints in between, and the click feels quick.",
      hint: "A slice that is too long shows as a long animation frame.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "Slowness is no error: nothing raises an alarm about it.",
      hint: "Read the event: something threw as well.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One run is one trace, from the click to the app's histogram.",
      hint: "An orphan is a span that was sent after the page had gone.",
    },
  ],
});
