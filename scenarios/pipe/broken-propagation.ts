import { context, type SpanContext, trace } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import { defineScenario } from "../define.ts";
import type { Expectation } from "../expectation.ts";
import { inSpan } from "../in-span.ts";
import { attribute } from "../names.ts";
import { integer } from "../param-spec.ts";

/** What the client sends as vendor state beside every `traceparent`. */
const vendorState = "shop=t61rcWkgMzE";

type Headers = (
  caller: Pick<SpanContext, "traceId" | "spanId">,
) => Readonly<Record<string, string>>;

/** A caller whose headers are of no use: the app has to start a trace of its own. */
const broken: Readonly<Record<string, Headers>> = {
  missing: () => ({}),
  malformed: () => ({ traceparent: "00-this-is-not-a-trace-01" }),
  "zero-trace": ({ spanId }) => ({ traceparent: `00-${"0".repeat(32)}-${spanId}-01` }),
  "zero-parent": ({ traceId }) => ({ traceparent: `00-${traceId}-${"0".repeat(16)}-01` }),
  "upper-case": ({ traceId, spanId }) => ({
    // A hex digit that is a letter has to be there for the case to matter.
    traceparent: `00-A${traceId.slice(1)}-${spanId}-01`.toUpperCase(),
  }),
  "version-ff": ({ traceId, spanId }) => ({ traceparent: `ff-${traceId}-${spanId}-01` }),
  b3: ({ traceId, spanId }) => ({ b3: `${traceId}-${spanId}-1` }),
};
/** A caller that the app has to follow all the same. */
const understood: Readonly<Record<string, Headers>> = {
  "future-version": ({ traceId, spanId }) => ({
    traceparent: `cc-${traceId}-${spanId}-01-what-comes-later`,
    tracestate: vendorState,
  }),
  "sentry-trace": ({ traceId, spanId }) => ({ "sentry-trace": `${traceId}-${spanId}-1` }),
};
const wellFormed: Headers = ({ traceId, spanId }) => ({
  traceparent: `00-${traceId}-${spanId}-01`,
  tracestate: vendorState,
});
const callers = { ...broken, ...understood };

const answered = (caller: string) =>
  ({ kind: "server", attributes: { "url.query": `caller=${caller}` } }) as const;

const words: Readonly<Record<string, string>> = {
  missing: "Without a header there is nothing to continue.",
  malformed: "What cannot be parsed is ignored, never guessed at.",
  "zero-trace": "A trace id of zeros is invalid: every such caller would share one endless trace.",
  "zero-parent": "A parent of zeros is invalid, and the whole header with it.",
  "upper-case": "The header is lower-case hex; two spellings of one id would be two traces.",
  "version-ff": "Version ff is reserved for never being valid.",
  b3: "Nobody here speaks B3, so its ids are not used.",
};

const startsAnew: readonly Expectation[] = Object.keys(broken).map((caller) => ({
  signal: "span",
  select: { ...answered(caller), service: "lab-server", noParent: true },
  count: "${params.times}",
  why: `${words[caller]} The request is the root of a new trace.`,
  hint: "The rules are those of https://www.w3.org/TR/trace-context/#traceparent-header; look at the propagators and their order.",
}));

export default defineScenario({
  id: "pipe.broken-propagation",
  title: "Callers with broken trace headers",
  summary:
    "Seven callers send trace headers that are of no use, two send odd ones that are: each gets the trace it deserves.",
  story: `A trace goes on only when both sides agree on one header. Proxies strip it, old libraries write it in upper case, a mesh sends B3, a client that has no span sends zeros, and one day somebody sends a version that does not exist yet.

The app must never fail over that, and must never guess. What is invalid starts a new trace, whose root is the app's own span. A future version is read as far as it is known, and the vendor's \`tracestate\` goes on with it. A client that has only Sentry is followed by its \`sentry-trace\`.

In the traces you see the request's own trace and one more for every caller that got lost. They are found by the run id, which travels as baggage; a real caller's would not be found at all. Teams notice it as a share of roots in services that should have none.`,
  params: {
    times: integer({ label: "Calls of each kind", default: 1, min: 1, max: 20 }),
  },
  modes: ["fault", "control"],
  leases: ["metrics"],
  async serve({ runId, mode, params, http, tracer }) {
    const statuses: Record<string, number> = {};
    for (const [caller, headersOf] of Object.entries(callers)) {
      for (let time = 0; time < params.times; time++) {
        await inSpan(tracer, { name: `call as ${caller}` }, async (span) => {
          const headers = (mode === "control" ? wellFormed : headersOf)(span.spanContext());
          // Suppressed: the app's own instrumentation would add the right header.
          const response = await context.with(suppressTracing(context.active()), () =>
            http(`/api/products?caller=${caller}`, {
              headers: { ...headers, baggage: `${attribute.runId}=${runId}` },
            }),
          );
          await response.arrayBuffer();
          statuses[caller] = response.status;
        });
      }
    }
    return { statuses, trace: trace.getActiveSpan()?.spanContext().traceId };
  },
  expect: [
    ...startsAnew,
    {
      signal: "span",
      select: { ...answered("future-version"), childOf: { name: "call as future-version" } },
      count: "${params.times}",
      modes: ["fault", "control"],
      why: "A version above ours begins with the fields we know: the trace goes on.",
      hint: "Refusing unknown versions would break every trace on the day a caller is upgraded.",
    },
    {
      signal: "span",
      select: { ...answered("sentry-trace"), childOf: { name: "call as sentry-trace" } },
      count: "${params.times}",
      modes: ["fault", "control"],
      why: "A client that has only Sentry is continued by its own header.",
      hint: "The propagator for it has to come after the W3C one, which wins.",
    },
    {
      signal: "check",
      title: "tracestate goes on with a future version, and with nobody else's header",
      check: ({ spans }) => {
        const served = spans.filter(
          ({ kind, attributes }) =>
            String(attributes["url.query"]).startsWith("caller=") && kind === "server",
        );
        const kept = served.filter(({ traceState }) => traceState === vendorState);
        const right = kept.every(
          ({ attributes }) => attributes["url.query"] === "caller=future-version",
        );
        return {
          ok: kept.length > 0 && right,
          seen: `tracestate on ${kept.length} of ${served.length} requests`,
        };
      },
      why: "Vendors keep their place in the trace in tracestate: it is passed on as it came.",
      hint: "It belongs to its traceparent: where that one is dropped, it is dropped too.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/products",
        kind: "server",
        status: "unset",
        attributes: { "http.response.status_code": 200 },
      },
      count: `${Object.keys(callers).length}*\${params.times}`,
      modes: ["fault", "control"],
      why: "Whatever a header says, the request is answered.",
      hint: "A 500 or a missing span means that a propagator threw.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/products", http_response_status_code: "200" },
      delta: { gte: `${Object.keys(callers).length}*\${params.times}` },
      modes: ["fault", "control"],
      why: "Metrics count every request, in whatever trace it ended up.",
      hint: "Fewer mean that some were refused before the app saw them.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["control"],
      why: "With well-formed headers all calls stay in the trace of the click.",
      hint: "A second root means that a good header was refused.",
    },
    {
      signal: "trace",
      orphans: 0,
      traces: { gte: Object.keys(broken).length + 1 },
      why: "Every lost caller is a trace of its own, whole in itself.",
      hint: "An orphan means that an invalid parent was believed.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "Headers come from strangers: none may end the process.",
      hint: "Look at the server's log for what ended it.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "A bad header is no error of the app.",
      hint: "Read the event's stack: a propagator threw.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "All calls were answered, so the run is.",
      hint: "Open the trace: the call that failed is red.",
    },
  ],
});
