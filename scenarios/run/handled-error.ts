import { defineScenario } from "../define.ts";
import { choice, integer } from "../param-spec.ts";
import type { RunEvidence } from "../run-evidence.ts";

/** Texts of the exceptions in the run's one event, in the order in which they were sent. */
function chainOf({ sentry }: RunEvidence): readonly string[] {
  const event = sentry.find(({ kind }) => kind === "event")?.payload as
    | { readonly exception?: { readonly values?: readonly { readonly value?: string }[] } }
    | undefined;
  return event?.exception?.values?.map(({ value = "" }) => value) ?? [];
}

/** What has to stand there: the root of all causes first, what was thrown last. */
function chainMeant({ params }: RunEvidence): readonly string[] {
  const root = "the stock service answered with no body";
  const steps = Array.from(
    { length: Number(params.causes) },
    (_, layer) => `order step ${layer + 1} failed`,
  );
  switch (params.kind) {
    case "TypeError":
      return [root, ...steps, "stock.items is not iterable"];
    case "AggregateError":
      return ["warehouse Graz is closed", "warehouse Lyon is closed", "no warehouse can deliver"];
    case "not an error":
      return ["out of stock"];
    default:
      return [root, ...steps];
  }
}

/** A chain of causes, outermost last made: `layers` errors around the first. */
function chain(layers: number): Error {
  let error = new Error("the stock service answered with no body");
  for (let layer = 1; layer <= layers; layer++) {
    error = new Error(`order step ${layer} failed`, { cause: error });
  }
  return error;
}

export default defineScenario({
  id: "run.handled-error",
  title: "Route throws, app answers 500",
  summary: "An error leaves the route; the error middleware answers 500 and reports it once.",
  story: `A route throws. Nothing in the route catches it, so it climbs through the middleware to the one that turns errors into answers: the client gets a 500 with a code, a hint and a trace id, and never a stack or a message from inside.

You see it everywhere at once. The span that threw and the request's server span are red and carry the exception; one log line says ERROR; Sentry holds one event. Since somebody caught the error and the process goes on, the event says mechanism \`generic\`, handled: true. An error with causes arrives as a chain, the first cause first.

Two mistakes are common. Teams log and report on every layer, and one failure becomes five events. Or the error middleware swallows the error, and the framework's hook that Sentry listens on stays silent. Answer in one place and report in the same place.`,
  params: {
    kind: choice({
      label: "What is thrown",
      default: "error with causes",
      options: ["error with causes", "TypeError", "AggregateError", "not an error"],
    }),
    causes: integer({ label: "Causes below it", default: 2, min: 0, max: 5 }),
  },
  modes: ["fault", "control"],
  async serve({ mode, params, sql }) {
    const [order] = await sql`select id, total_cents from orders where id = 1`;
    if (mode === "control") return { order };
    switch (params.kind) {
      case "error with causes":
        throw chain(params.causes);
      case "TypeError":
        throw new TypeError("stock.items is not iterable", { cause: chain(params.causes) });
      case "AggregateError":
        throw new AggregateError(
          [new Error("warehouse Lyon is closed"), new Error("warehouse Graz is closed")],
          "no warehouse can deliver",
        );
      case "not an error":
        throw "out of stock";
    }
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "scenario run.handled-error",
        service: "lab-server",
        status: "error",
        exception: { message: { exists: true } },
      },
      count: 1,
      why: "The span that threw is red and carries the exception.",
      hint: "startActiveSpan does not do this by itself: whoever opens a span has to record what leaves it.",
    },
    {
      signal: "span",
      select: {
        name: "POST /api/scenarios/:id",
        kind: "server",
        status: "error",
        attributes: { "http.response.status_code": 500, "error.type": { exists: true } },
      },
      count: 1,
      why: "A 5xx makes the server span an error; dashboards of failed requests count these.",
      hint: "A name without the route means that the router's template did not reach the HTTP instrumentation.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        status: "unset",
        childOf: { name: "scenario run.handled-error" },
      },
      count: 1,
      modes: ["fault", "control"],
      why: "The work before the error went well, and the trace keeps it: the failure came after the query.",
      hint: "If the query is red, the failure is the database's and not the route's.",
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
      why: "One failure is one event: handled, because the app answered and goes on.",
      hint: "Two events mean that two places report; none means that the error middleware swallowed it.",
    },
    {
      signal: "check",
      title: "the event tells the whole chain, the first cause first",
      reads: ["sentry"],
      check(evidence) {
        const [seen, meant] = [chainOf(evidence), chainMeant(evidence)];
        return { ok: seen.join("|") === meant.join("|"), seen: seen.join(" → ") || "no exception" };
      },
      why: "The cause says what broke; what was thrown last says only where it was noticed.",
      hint: "Errors are thrown on with `cause`; what is thrown and is no Error has neither chain nor stack.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "POST /api/scenarios/:id", kind: "server", status: "error" } },
        { logs: { severity: "error", body: "request failed" } },
        { sentry: { item: "event", service: "lab-server" } },
      ],
      why: "Spans, log lines and events tell the same number of failures.",
      hint: "The signal that tells fewer is the one that loses data, the one that tells more reports twice.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "error",
      body: "request failed",
      count: 1,
      correlated: true,
      why: "The log line carries the trace id that the client was given.",
      hint: "It is written where the app hears of the error, inside the request's context.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/scenarios/:id", http_response_status_code: "500" },
      delta: { gte: 1 },
      why: "The rate of failed requests is read from this counter.",
      hint: "The route label is a template; a path here would grow without bound.",
    },
    {
      signal: "answer",
      status: 500,
      why: "The client is told that it failed, and the trace id to ask about.",
      hint: "The body holds code, message, hint and traceId, and nothing from inside.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "A failed request is not a crash.",
      hint: "If the server restarted, the error escaped the request: look for a promise nobody awaited.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["control"],
      why: "The same work without the error succeeds.",
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
      modes: ["fault", "control"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
    {
      signal: "log",
      severity: "error",
      count: 0,
      modes: ["control"],
      why: "A request that works leaves no error line: else nobody believes the lines of those that do not.",
      hint: "Read the line: it is written by something that this run did not break.",
    },
  ],
});
