import { defineScenario } from "../define.ts";
import { proxy } from "../fault.ts";
import { choice, integer } from "../param-spec.ts";
import type { CheckFinding, RunEvidence } from "../run-evidence.ts";

const away = {
  refused: proxy("collector").down,
  "answers 503": (time: { readonly forMs: number }) =>
    proxy("collector").answer({ status: 503, type: "text/plain", body: "starting\n", ...time }),
  hangs: proxy("collector").hang,
} as const;

/** The import gives way to requests after so many. */
const sliceRows = 10;
const drainMs = 5_000;
const giveWay = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What becomes of the import's spans. */
function countRows({ spans, mode, params, metric }: RunEvidence): CheckFinding {
  const rows = Number(params.rows);
  const lost = mode === "control" ? 0 : Math.max(0, rows - Number(params.queue));
  const arrived = spans.filter(({ name }) => name === "import row").length;
  const dropped = metric("lab_telemetry_dropped_total")?.change ?? Number.NaN;
  const full = metric("lab_telemetry_dropped_total", { signal: "span", reason: "queue_full" });
  return {
    ok: arrived === rows - lost && dropped === lost && full?.change === lost,
    seen: `${arrived} arrived and ${dropped} were dropped; expected ${rows - lost} and ${lost}`,
  };
}

export default defineScenario({
  id: "pipe.collector-down",
  title: "The collector is away",
  summary:
    "Telemetry has nowhere to go for a while: the app must not notice, and nothing may be lost.",
  story: `The collector restarts, or the network to it is cut. For some seconds the app's spans and log lines have nowhere to go: connections are refused, somebody in front answers 503, or, which is worse, they are accepted and never answered. Meanwhile the app serves requests as always.

Nothing of it shows in the trace afterwards, and that is the point: every span of the run is there, only later. What shows it while it lasts is a number of the app's own: how many spans wait to be delivered. It rises with every request and falls to zero when the collector is back. The counter of dropped telemetry does not move, and no request takes longer than usual.

Out of the box the OpenTelemetry SDK does not do this: its batch processor forgets a batch whose export failed after a few tries, so that twenty seconds without a collector lose half of the spans. A queue with a bound is still a bound. An import that runs meanwhile has a queue of its own, so that nobody else's telemetry is at stake: with more spans than fit, the oldest of them are gone, and the counter says exactly how many. The trace that arrives looks whole, since nothing below the lost spans is missing; only the counter knows.

Teams put a bounded queue with retries in front of the exporter, or run a collector agent beside the app; and they watch the queue and the drops, because telemetry that is lost in silence is missed when it is needed most.`,
  params: {
    how: choice({
      label: "What the app sees",
      default: "refused",
      options: ["refused", "answers 503", "hangs"],
    }),
    seconds: integer({ label: "Outage", default: 2, min: 1, max: 120, unit: "s" }),
    requests: integer({ label: "Requests meanwhile", default: 10, min: 5, max: 50, step: 5 }),
    rows: integer({
      label: "Rows imported meanwhile",
      help: "One span each, in a queue of the import's own.",
      default: 100,
      min: 0,
      max: 2000,
      step: 50,
      unit: "spans",
    }),
    queue: integer({
      label: "The import's queue holds",
      help: "Fewer than rows: the rest is dropped and counted.",
      default: 500,
      min: 50,
      max: 2000,
      step: 50,
      unit: "spans",
    }),
  },
  modes: ["fault", "control"],
  leases: ["metrics"],
  timeoutMs: 130_000,
  faults: ({ how, seconds }) => [away[how]({ forMs: seconds * 1_000 })],
  async serve({ mode, params, http, workload, log, signal }) {
    const { requests, seconds, rows } = params;
    const { tracer, drain } = workload.spanQueue(params.queue);
    for (let row = 0; row < rows && !signal.aborted; row++) {
      tracer.startSpan("import row", { attributes: { row } }).end();
      if (row % sliceRows !== sliceRows - 1) continue;
      // Nobody waits for a collector that is away; one that is there gets to take what it is sent.
      await (mode === "control" ? drain(drainMs) : giveWay());
    }
    // The last request is served while the outage lasts, however long the others took.
    const everyMs = (seconds * 1_000 * 0.8) / requests;
    for (let sent = 0; sent < requests && !signal.aborted; sent++) {
      await http(`/api/orders/${sent + 1}`);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    log.info({ requests }, "requests served");
    return { requests };
  },
  expect: [
    {
      signal: "metric",
      name: "lab_telemetry_queued",
      labels: { signal: "span" },
      max: { gte: "3*${params.requests}" },
      why: "While the collector is away spans pile up in the app: several for every request.",
      hint: "A queue that stays empty means that spans went out, or were given up, during the outage.",
    },
    {
      signal: "metric",
      name: "lab_telemetry_queued",
      labels: { signal: "span" },
      max: { lt: "3*${params.requests}" },
      modes: ["control"],
      why: "With a collector spans go out as soon as their request ends.",
      hint: "Look at the store's row: if it does not answer, spans wait.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/orders/:id",
        service: "lab-server",
        kind: "server",
        status: "unset",
      },
      count: "${params.requests}",
      modes: ["fault", "control"],
      why: "Every request left its server span, those during the outage too.",
      hint: "Missing spans were dropped: look at lab_telemetry_dropped_total and its reason.",
    },
    {
      signal: "span",
      select: {
        name: "SELECT orders",
        kind: "client",
        descendantOf: { name: "GET /api/orders/:id" },
      },
      count: "${params.requests}",
      modes: ["fault", "control"],
      why: "Whole traces arrive, not only their upper spans.",
      hint: "A request without its query means that a batch was lost in between.",
    },
    {
      signal: "span",
      select: { name: "GET /api/orders/:id", service: "lab-server", kind: "server" },
      every: { durationMs: { lt: 500 } },
      modes: ["fault", "control"],
      why: "The app's latency stays flat: nobody who asks the shop waits for its telemetry.",
      hint: "A slow request during the outage means that an export is awaited inside it.",
    },
    {
      signal: "check",
      title:
        "what the import's queue holds arrives, and the counter tells exactly what it does not",
      reads: ["traces", "metrics"],
      check: countRows,
      modes: ["fault", "control"],
      why: "Below the queue's bound nothing is lost; above it each span is either here or counted.",
      hint: "Another number: spans were dropped uncounted, or others than the import's were dropped; the counter's labels say why, queue_full, rejected or shutdown.",
    },
    {
      signal: "metric",
      name: "lab_telemetry_dropped_total",
      delta: 0,
      modes: ["control"],
      why: "With a collector nothing is lost, however small the queue.",
      hint: "The label says why: queue_full, rejected or shutdown.",
    },
    {
      signal: "metric",
      name: "lab_telemetry_queued",
      delta: { lte: 0 },
      modes: ["fault", "control"],
      why: "After the outage no more waits than before.",
      hint: "What still waits was not delivered: the collector is away, or refuses it.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/orders/:id", http_response_status_code: "200" },
      delta: "${params.requests}",
      modes: ["fault", "control"],
      why: "Metrics are read from the app, not sent by it: they count on while the collector is away.",
      hint: "A missing request failed; look for its span.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "requests served",
      attributes: { requests: "${params.requests}" },
      count: 1,
      correlated: true,
      modes: ["fault", "control"],
      why: "Log lines wait for the collector as spans do, and keep their trace id.",
      hint: "Logs have a queue of their own: look at lab_telemetry_dropped_total with signal=log.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "A collector that is away is no error of the app.",
      hint: "Whoever reports failed exports as errors gets one event per batch during every outage.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The user notices nothing.",
      hint: "Open the trace: something else failed.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "An app does not fall over because nobody takes its telemetry.",
      hint: "Its log says why it ended.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "Once all has arrived, the trace is as whole as any other.",
      hint: "An orphan means that a span above it was lost in the outage.",
    },
  ],
});
