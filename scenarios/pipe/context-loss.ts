import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { EventEmitter } from "node:events";
import { Worker } from "node:worker_threads";
import { defineScenario } from "../define.ts";
import { inSpan } from "../in-span.ts";
import { attribute } from "../names.ts";
import { choice, integer } from "../param-spec.ts";

type Job = () => void;
type Carrier = (job: Job, waitMs: number) => void;

/** Runs a function where this module was loaded: outside every request. */
const outsideRequests = AsyncLocalStorage.snapshot();

const waiting: Job[] = [];
/** A list that a timer of the module empties: the jobs run in the timer's context. */
const throughTimer: Carrier = (job, waitMs) => {
  waiting.push(job);
  outsideRequests(() =>
    setTimeout(() => {
      for (const next of waiting.splice(0)) next();
    }, waitMs),
  );
};

const bus = new EventEmitter();
/** Listeners run in the context of whoever emits, not of whoever listens. */
const throughEmitter: Carrier = (job, waitMs) => {
  bus.once("stock checked", job);
  outsideRequests(() => setTimeout(() => bus.emit("stock checked"), waitMs));
};

const queue: Job[] = [];
let taken = false;
function acquire(job: Job): void {
  if (taken) queue.push(job);
  else {
    taken = true;
    job();
  }
}
function release(): void {
  const next = queue.shift();
  if (next === undefined) taken = false;
  else next();
}
/** A pool of one: who waits for it goes on in the context of whoever gives it back. */
const throughPool: Carrier = (job, waitMs) => {
  outsideRequests(() => acquire(() => void setTimeout(release, waitMs)));
  acquire(() => {
    job();
    release();
  });
};

let batch: Job[] | undefined;
function load(job: Job): void {
  if (batch === undefined) {
    const opened: Job[] = [];
    batch = opened;
    queueMicrotask(() => {
      batch = undefined;
      for (const next of opened) next();
    });
  }
  batch.push(job);
}
/** A batch of one turn: it runs in the context of whoever opened it, here a warm-up of the module. */
const throughMicrotask: Carrier = (job) => {
  outsideRequests(() => load(() => {}));
  load(job);
};

let worker: Worker | undefined;
const answersTo: Job[] = [];
/** A worker thread of the module: its answers arrive in the context that made it. */
const throughWorker: Carrier = (job, waitMs) => {
  worker ??= outsideRequests(() => {
    const code =
      'const { parentPort } = require("node:worker_threads"); parentPort.on("message", (ms) => setTimeout(() => parentPort.postMessage(0), ms));';
    const made = new Worker(code, { eval: true, execArgv: [] });
    made.on("message", () => answersTo.shift()?.());
    made.unref();
    return made;
  });
  answersTo.push(job);
  worker.postMessage(waitMs);
};

const carriers = {
  "timer of a module": throughTimer,
  "event emitter": throughEmitter,
  "callback pool": throughPool,
  "microtask batch": throughMicrotask,
  "worker thread": throughWorker,
} as const satisfies Readonly<Record<string, Carrier>>;

export default defineScenario({
  id: "pipe.context-loss",
  title: "Work leaves its trace",
  summary:
    "A callback runs where no request is active: its spans start a second trace that nobody links.",
  story: `The request puts a job into a list, an emitter, a pool or a batch, or waits for a worker thread, and somebody else goes on with it: a timer that the module started, whoever emits, whoever gives the pooled thing back, the worker's channel. Node carries the context of the one who *calls*, so the job runs outside the request although the request waits for it.

The request's trace then ends where the job began, with a gap that has no child. The job's spans are a trace of their own with a root in the app, and its log lines carry that other trace id. Nothing failed, so no alarm says that half of the story is missing.

Here the second trace is found only because the job carries the run id as data. In a real app put an order id on such spans, too: it is what is left to search for when the context is gone.

The cure is one line where the job is handed over: \`AsyncResource.bind(job)\` keeps the context of the moment. Where jobs outlive the request, link the spans instead.`,
  params: {
    carrier: choice({
      label: "Handed over through",
      default: "timer of a module",
      options: [
        "timer of a module",
        "event emitter",
        "callback pool",
        "microtask batch",
        "worker thread",
      ],
    }),
    waitMs: integer({ label: "Waits", default: 50, min: 10, max: 2000, step: 10, unit: "ms" }),
  },
  modes: ["fault", "control", "fix"],
  async serve({ runId, mode, params, sql, log, tracer }) {
    const run = { [attribute.runId]: runId };
    const processOrder = () =>
      inSpan(tracer, { name: "process order", attributes: run }, async () => {
        const [order] = await sql`select id, quantity from orders where id = 1`;
        log.info({ ...run, quantity: order?.quantity }, "order processed");
      });
    if (mode === "control") await processOrder();
    else {
      await new Promise<void>((resolve, reject) => {
        const job = () => void processOrder().then(resolve, reject);
        carriers[params.carrier](mode === "fix" ? AsyncResource.bind(job) : job, params.waitMs);
      });
    }
    return { processed: 1 };
  },
  expect: [
    {
      signal: "trace",
      traces: 2,
      roots: 2,
      orphans: 0,
      why: "The job starts a second trace of its own; the run id on its span is all that ties the two together.",
      hint: "One trace means that the context was kept: look at what the carrier captures, and when.",
    },
    {
      signal: "span",
      select: { name: "process order", service: "lab-server", noParent: true },
      count: 1,
      why: "Work without a context is a root: to the backend it is a new story.",
      hint: "If it has a parent, the carrier carried the context after all.",
    },
    {
      signal: "span",
      select: { name: "SELECT orders", kind: "client", childOf: { name: "process order" } },
      count: 1,
      modes: ["fault", "control", "fix"],
      why: "Inside the job everything hangs together: only the hand-over lost the context.",
      hint: "A missing query span means that the job did not run, or ran outside any span.",
    },
    {
      signal: "check",
      title: "the job's log line is in another trace than the request",
      reads: ["traces", "logs"],
      check: ({ spans, logs }) => {
        const request = spans.find(({ kind }) => kind === "server")?.traceId;
        const lines = logs.filter(({ body }) => body === "order processed");
        const elsewhere = lines.filter(({ traceId }) => traceId !== null && traceId !== request);
        return {
          ok: lines.length === 1 && elsewhere.length === 1 && request !== undefined,
          seen: `${elsewhere.length} of ${lines.length} lines outside trace ${request ?? "?"}`,
        };
      },
      why: "Logs follow the context, so whoever filters by the request's trace id misses this line.",
      hint: "The line takes its trace from the span that is active when it is written.",
    },
    {
      signal: "span",
      select: { name: "process order", childOf: { name: "scenario pipe.context-loss" } },
      count: 1,
      modes: ["control", "fix"],
      why: "Called directly, or bound to the request's context, the job is a child of the request's work.",
      hint: "Bind where the job is handed over: inside the carrier the context is gone already.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "order processed",
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "The line is written once, on the span that was active.",
      hint: "Without ids it was written outside every span.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["control", "fix"],
      why: "With its context the job stays in the trace of the click.",
      hint: "A second trace means that the context was lost on the way.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "A lost context is no error: nothing raises an alarm about it.",
      hint: "An event here belongs to another fault.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "The request waits for the job and is answered: users notice nothing.",
      hint: "A timeout means that the job was never run.",
    },
  ],
});
