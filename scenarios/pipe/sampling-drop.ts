import { context, SpanStatusCode, trace } from "@opentelemetry/api";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { choice, integer } from "../param-spec.ts";
import type { RunEvidence, SeenSpan } from "../run-evidence.ts";
import { withSampling } from "../sampling.ts";

/** Every tenth checkout is declined. */
const declinedEvery = 10;
/** Checkouts under way at once. */
const atOnce = 8;
/** Probability of a fair sampler to land outside the bounds, both sides together. */
const risk = 0.001;

const isDeclined = (index: number): boolean => index % declinedEvery === declinedEvery - 1;

/** Fewest and most of `n` that a fair sampler keeps, but for one time in a thousand. */
function bounds(n: number, ratio: number): readonly [number, number] {
  if (n === 0 || ratio <= 0) return [0, 0];
  if (ratio >= 1) return [n, n];
  // In logarithms: the powers leave what a number can hold.
  let log = n * Math.log1p(-ratio);
  let below = 0;
  let low: number | undefined;
  for (let k = 0; k <= n; k++) {
    below += Math.exp(log);
    if (low === undefined && below > risk / 2) low = k;
    if (below >= 1 - risk / 2) return [low ?? 0, k];
    log += Math.log(((n - k) / (k + 1)) * (ratio / (1 - ratio)));
  }
  return [low ?? 0, n];
}

const checkouts = (spans: readonly SeenSpan[]): readonly SeenSpan[] =>
  spans.filter(({ name, parentSpanId }) => name === "checkout" && parentSpanId === null);

function keptFairly({ spans, params }: RunEvidence) {
  const n = Number(params.n);
  const declined = Math.floor(n / declinedEvery);
  const atTail = params.decided === "tail";
  // At the tail all declined ones are kept; chance decides about the others.
  const chance = atTail ? n - declined : n;
  const certain = atTail ? declined : 0;
  const [low, high] = bounds(chance, Number(params.percent) / 100);
  const kept = checkouts(spans).length;
  return {
    ok: kept >= low + certain && kept <= high + certain,
    seen: `${kept} of ${n} kept; ${low + certain} to ${high + certain} are to be expected`,
  };
}

function keptWhole({ spans, params, mode }: RunEvidence) {
  const kept = new Set(checkouts(spans).map(({ traceId }) => traceId));
  const byTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  const request = spans.find(({ name }) => name.startsWith("scenario.run "))?.traceId;
  const others = [...byTrace].filter(([traceId]) => traceId !== request);
  const partial = others.filter(([traceId, own]) => {
    const ids = new Set(own.map(({ spanId }) => spanId));
    const whole =
      kept.has(traceId) &&
      own.filter(({ kind }) => kind === "server").length === 1 &&
      own.filter(({ name }) => name === "SELECT orders").length === 1 &&
      own.every(({ parentSpanId }) => parentSpanId === null || ids.has(parentSpanId));
    return !whole;
  });
  // A head that keeps nothing leaves nothing that could be whole.
  const nothingKept = mode === "fault" && params.decided === "head" && params.percent === 0;
  return {
    ok: nothingKept === (others.length === 0) && partial.length === 0,
    seen: `${others.length - partial.length} whole traces, ${partial.length} in parts`,
  };
}

export default defineScenario({
  id: "pipe.sampling-drop",
  title: "Most traces are sampled away",
  summary:
    "One trace in ten is kept. Metrics and logs still know of all; the failed ones are mostly gone, unless the tail decides.",
  story: `Keeping every trace is expensive, so one in ten is kept and the rest is thrown away: at the head, when the first span starts, before anybody knows what it will show.

What is kept has to be whole. The decision travels with \`traceparent\` as its last byte, and every service obeys it: a trace of which only some services kept their part is worse than none. Metrics count all requests, sampled or not. Log lines are all there too, and most of them lead to a trace that nobody has.

Head sampling is blind to failures: of ten declined checkouts nine have no trace. Deciding at the tail, when the trace has ended, keeps all that failed, and costs holding every trace until then. Choose \`tail\` and compare.

The policy holds for this run's checkouts only; everything else in the lab is kept.`,
  params: {
    percent: integer({ label: "Kept", default: 10, min: 0, max: 100, unit: "%" }),
    n: integer({ label: "Checkouts", default: 100, min: 100, max: 2000, step: 100 }),
    decided: choice({ label: "Decided at the", default: "head", options: ["head", "tail"] }),
  },
  modes: ["fault", "control"],
  leases: ["metrics"],
  timeoutMs: 40_000,
  async serve({ mode, params, http, log, tracer, signal }) {
    const own = trace.deleteSpan(context.active());
    const policy = { decided: params.decided, ratio: params.percent / 100 };
    const sampled = mode === "control" ? own : withSampling(own, policy);
    const checkOut = (index: number) =>
      context.with(sampled, () =>
        inSpan(
          tracer,
          { name: "checkout", attributes: { "lab.checkout": index } },
          async (span) => {
            const response = await http("/api/orders/1", { signal });
            await response.arrayBuffer();
            if (isDeclined(index)) {
              span.setStatus({ code: SpanStatusCode.ERROR, message: "payment declined" });
              log.warn({ checkout: index }, "payment declined");
            }
          },
        ),
      );
    let next = 0;
    const worker = async () => {
      while (next < params.n && !signal.aborted) await checkOut(next++);
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    return { checkouts: next };
  },
  expect: [
    {
      signal: "check",
      title: "as many traces are kept as a fair sampler keeps, 999 times in 1000",
      check: keptFairly,
      why: "The share that is kept is the share that was asked for, within what chance explains.",
      hint: "All kept means that nobody sampled; none, that a parent said no. Ids that are not random shift the share.",
    },
    {
      signal: "check",
      title: "every kept trace is whole: checkout, request and query",
      modes: ["fault", "control"],
      check: keptWhole,
      why: "Services obey the decision in traceparent, so a trace is there as a whole or not at all.",
      hint: "Parts mean that a service decided by itself: its sampler has to be parent-based.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/orders/:id" },
      delta: "${params.n}",
      modes: ["fault", "control"],
      why: "Metrics count every request, whatever becomes of its trace.",
      hint: "A metric that is made from sampled spans would show a tenth.",
    },
    {
      signal: "check",
      title: "every declined checkout has its log line",
      reads: ["logs"],
      modes: ["fault", "control"],
      check: ({ logs, params }) => {
        const lines = logs.filter(({ body }) => body === "payment declined").length;
        const declined = Math.floor(Number(params.n) / declinedEvery);
        return { ok: lines === declined, seen: `${lines} of ${declined} lines` };
      },
      why: "Logs are not sampled: they tell of failures whose trace nobody has.",
      hint: "The line carries the trace id all the same; looking it up finds nothing.",
    },
    {
      signal: "span",
      select: { name: "checkout", noParent: true },
      count: "${params.n}",
      modes: ["control"],
      why: "Without a policy everything is kept.",
      hint: "Something else samples: look at OTEL_TRACES_SAMPLER of the process.",
    },
    {
      signal: "metric",
      name: "lab_telemetry_dropped_total",
      delta: 0,
      modes: ["fault", "control"],
      why: "What was sampled away was never queued: it is no loss.",
      hint: "A count here means that the queue overflowed, which is another fault.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "A declined payment is an outcome, not an error of the app.",
      hint: "An event here belongs to another fault.",
    },
    {
      signal: "trace",
      orphans: 0,
      services: ["lab-server"],
      modes: ["fault", "control"],
      why: "Neither the request's own trace nor a kept one has a hole.",
      hint: "An orphan is a span whose parent was sampled away.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "Users do not notice sampling.",
      hint: "Open the trace: a checkout failed.",
    },
  ],
});
