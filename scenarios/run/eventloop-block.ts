import { Worker } from "node:worker_threads";
import { defineScenario } from "../define.ts";
import { choice, integer } from "../param-spec.ts";
import type { SeenSpan } from "../run-evidence.ts";

type Kind = "loop" | "JSON" | "regular expression";

/** Keeps the thread busy; everything it needs is inside, so that a worker can be given its text. */
function burn(kind: Kind, ms: number): number {
  const end = performance.now() + ms;
  const rows = Array.from({ length: 2000 }, (_, id) => ({ id, name: `customer ${id}` }));
  let rounds = 0;
  while (performance.now() < end) {
    if (kind === "JSON") JSON.parse(JSON.stringify(rows));
    // Each further letter doubles the time that this pattern takes to find nothing.
    else if (kind === "regular expression") /^(a+)+$/.test(`${"a".repeat(20)}!`);
    rounds += 1;
  }
  return rounds;
}

function burnInWorker(kind: Kind, ms: number): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  const code = `require("node:worker_threads").parentPort.postMessage((${burn.toString()})(...${JSON.stringify([kind, ms])}))`;
  const worker = new Worker(code, { eval: true, execArgv: [] });
  worker.once("message", resolve).once("error", reject);
  return promise;
}

const neighbourOf = (spans: readonly SeenSpan[]): SeenSpan | undefined =>
  spans.find(({ name, kind }) => name === "GET /api/customers/export" && kind === "server");
const computingOf = (spans: readonly SeenSpan[]): SeenSpan | undefined =>
  spans.find(({ name }) => name === "compute prices");
/** Parts of the neighbour's answer that came while the computing lasted. */
const partsMeanwhile = "lab.neighbour.parts";

export default defineScenario({
  id: "run.eventloop-block",
  title: "Blocked event loop",
  summary: "One request computes for a second, and every other request stands still with it.",
  story: `Node runs all requests of a process on one thread. When one of them computes for a second, a big JSON document, a regular expression that backtracks, a loop, nobody else gets a turn: no answer goes out, no query result is read, no timer fires.

The trace of the guilty request shows one long span without children. What hurts is elsewhere: a request that has nothing to do with it, here an export that streams customers, is as long as the block. Its query was quick, none of its children is slow, and still its SERVER span takes a second. Nobody is to be seen. The event loop lag tells: \`nodejs_eventloop_lag_max_seconds\` jumps to the length of the block for a moment, and \`lab_eventloop_blocked_seconds_total\`, by how much timers were late, has grown by as much for good. Gauges of lag that start anew with each reading, as the usual ones do, show a block to whoever reads first and to nobody else: count, and take the rate. Sentry holds nothing, for nothing failed.

Teams move such work to a worker thread, as the fix mode does, or cut it into slices, put a limit on input sizes, and use patterns that cannot backtrack.`,
  params: {
    blockMs: integer({ label: "Block", default: 800, min: 50, max: 5000, step: 50, unit: "ms" }),
    kind: choice({
      label: "What computes",
      default: "loop",
      options: ["loop", "JSON", "regular expression"],
    }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["server", "metrics"],
  timeoutMs: 20_000,
  async serve({ mode, params, http, tracer, log }) {
    const neighbour = await http("/api/customers/export");
    const reader = neighbour.body?.pipeThrough(new TextDecoderStream()).getReader();
    // Its answer is under way: from here on it depends on the event loop and on nothing else.
    await reader?.read();
    let parts = 0;
    const computing = tracer.startActiveSpan("compute prices", async (span) => {
      try {
        if (mode === "fault") burn(params.kind, params.blockMs);
        if (mode === "fix") await burnInWorker(params.kind, params.blockMs);
      } finally {
        span.setAttribute(partsMeanwhile, parts);
        span.end();
      }
    });
    let bytes = 0;
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      bytes += part.value.length;
      parts += 1;
    }
    await computing;
    log.info({ bytes }, "prices computed");
    return { bytes };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "GET /api/customers/export",
        kind: "server",
        service: "lab-server",
        status: "unset",
        attributes: { "http.response.status_code": 200 },
      },
      count: 1,
      every: { durationMs: { gte: "0.8*${params.blockMs}" } },
      why: "A request that has nothing to do with the computing is as long as the block.",
      hint: "If it is short, it was over before the block began, or was read only after it.",
    },
    {
      signal: "span",
      select: {
        descendantOf: { name: "GET /api/customers/export", kind: "server" },
        kind: "client",
      },
      count: 1,
      every: { name: "SELECT customers", status: "unset" },
      modes: ["fault", "control", "fix"],
      why: "The export waits for one call only, and that one goes well.",
      hint: "A second call, or a failed one, would be the ordinary case: look there first.",
    },
    {
      signal: "check",
      title: "without its query the export is still as long as the block",
      check({ spans, params }) {
        const export_ = neighbourOf(spans);
        const query = spans.find(({ name }) => name === "SELECT customers");
        if (export_ === undefined || query === undefined)
          return { ok: false, seen: "no such spans" };
        const rest = export_.durationMs - query.durationMs;
        return {
          ok: rest >= 0.8 * Number(params.blockMs),
          seen: `${export_.durationMs.toFixed(0)} ms, ${query.durationMs.toFixed(0)} of them for the query`,
        };
      },
      why: "No child is slow: nothing that the export waits for explains its length.",
      hint: "A slow query would: then it is the database that has to be looked at.",
    },
    {
      signal: "span",
      select: { name: "compute prices", kind: "internal", service: "lab-server" },
      count: 1,
      every: { selfTimeMs: { gte: "0.95*${params.blockMs}" } },
      modes: ["fault", "fix"],
      why: "The guilty one is long and has no child: it computes.",
      hint: "Whether it blocks the others does not show here, but in their spans.",
    },
    {
      signal: "order",
      first: { name: "compute prices" },
      relation: "within",
      second: { name: "GET /api/customers/export", kind: "server" },
      why: "The export began before the block and could end only after it.",
      hint: "Without the overlap the two have nothing to do with each other.",
    },
    {
      signal: "metric",
      name: "lab_eventloop_blocked_seconds_total",
      // The timer that is late may be due some milliseconds after the block began.
      delta: { gte: "0.001*${params.blockMs}-0.012" },
      why: "The total by which timers were late grows by the block; no reader can miss it, none takes it away from another.",
      hint: "See server/event-loop-metrics.ts: a timer of every process that turns a loop.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/scenarios/:id", http_response_status_code: "200" },
      delta: { gte: 1 },
      modes: ["fault", "control", "fix"],
      why: "Requests are slow and none fails: an error rate shows nothing.",
      hint: "The route label is a template.",
    },
    {
      signal: "span",
      select: { name: "compute prices", attributes: { [partsMeanwhile]: { gte: 1 } } },
      count: 1,
      modes: ["fix"],
      why: "In a worker thread the same computing holds nobody up.",
      hint: "Look at the event loop lag: something still blocks it.",
    },
    {
      signal: "check",
      title: "the export is held up by no computing",
      check({ spans, params }) {
        const [computing, export_] = [computingOf(spans), neighbourOf(spans)];
        if (computing === undefined || export_ === undefined)
          return { ok: false, seen: "no such spans" };
        return {
          ok: computing.durationMs < 0.5 * Number(params.blockMs),
          seen: `${computing.durationMs.toFixed(1)} ms of computing, ${export_.durationMs.toFixed(0)} ms of export`,
        };
      },
      modes: ["control"],
      why: "The neighbour is as quick as ever.",
      hint: "Look at the event loop lag: something blocks it.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "prices computed",
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "The request comes to its end in every mode.",
      hint: "A missing line means that it failed before.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Nothing failed: a blocked process reports nothing, it is only late.",
      hint: "An event here belongs to something else that went wrong in the same trace.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control", "fix"],
      why: "A block is survived. Health checks with a short limit would kill the process, and make it worse.",
      hint: "Look at the server's log for what ended it.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "The request is slow, not broken.",
      hint: "Open the trace: something else failed.",
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
