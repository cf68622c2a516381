import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

/** What the process needs for itself, about. */
const ownMb = 32;
/** The job is so much bigger than what is left: one process cannot finish it while it leaks. */
const tooMuch = 1.3;

export default defineScenario({
  id: "run.memory-leak",
  title: "Memory leak until the heap is full",
  summary: "An export keeps what it has written; its process is aborted, and no error is reported.",
  story: `An export writes orders batch by batch and keeps every batch in a list that nobody reads. The heap grows, the garbage collector works harder and finds less, and at the limit V8 aborts the process: "Reached heap limit", SIGABRT, exit code 134.

This is the crash without a witness. No exception is thrown, so no handler runs: no Sentry event, no last span, no log line by the process that died. The batch it was in leaves no span at all. What remains is around it: spans of the batches before, with a heap that only grows; the gauge \`lab_exporter_heap_used_bytes\`; the time of the garbage collector, \`lab_exporter_gc_seconds_total\`; the parent's span \`export process\`, red, with \`process.exit.code\` 134; one error line of the parent; and \`lab_component_restarts_total\`. Whoever watches error trackers only sees nothing.

The export runs in a process of its own, with a heap limit of its own, so the shop goes on, and a new process continues after the last batch that was written. That contains a leak. The cure, in the fix mode, is to let go of what is done with.`,
  params: {
    batchMb: integer({ label: "Per batch", default: 8, min: 1, max: 12, unit: "MB" }),
    heapMb: integer({ label: "Heap limit", default: 64, min: 64, max: 512, step: 16, unit: "MB" }),
  },
  modes: ["fault", "control", "fix"],
  leases: ["metrics"],
  timeoutMs: 60_000,
  async serve({ mode, params, workload, log }) {
    const { batchMb, heapMb } = params;
    const batches = Math.ceil(((heapMb - ownMb) * tooMuch) / batchMb);
    const result = await workload.exportOrders({
      batchRows: batchMb * 1024,
      // The control exports so little that keeping it does no harm.
      batches: mode === "control" ? 2 : batches,
      heapMb,
      keeps: mode === "fix" ? "nothing" : "everything",
    });
    log.info({ ...result, deaths: result.exitCodes.length }, "orders exported");
    return result;
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "export process",
        service: "lab-server",
        status: "error",
        attributes: { "process.exit.code": 134, "error.type": "SIGABRT" },
        childOf: { name: "scenario run.memory-leak" },
      },
      count: { gte: 1 },
      why: "The parent saw how the process ended: 134 is an abort, which is how a full heap ends.",
      hint: "137 would be the kernel's out-of-memory killer, 70 an error that somebody threw.",
    },
    {
      signal: "span",
      select: {
        name: "export process",
        status: "unset",
        attributes: { "process.exit.code": 0, "lab.retry.attempt": { gte: 2 } },
      },
      count: 1,
      why: "A new process goes on after the last batch that was written and finishes the job.",
      hint: "If none ends well, what is left is still too much for one heap.",
    },
    {
      signal: "span",
      select: {
        name: "export batch",
        service: "lab-server",
        status: "unset",
        attributes: { "lab.heap_used_bytes": { gte: "629145.6*${params.heapMb}" } },
        childOf: { name: "export process", status: "error" },
      },
      count: { gte: 1 },
      why: "The batches before the end arrived, and the last of them show a heap that is nearly full.",
      hint: "If none arrives, spans wait in a batch that dies with the process.",
    },
    {
      signal: "check",
      title: "in a process that died, the heap grew by what the batches hold",
      check({ spans, params }) {
        const grown = spans
          .filter(({ name, status }) => name === "export process" && status === "error")
          .map(({ spanId }) => {
            const heaps = spans
              .filter(
                ({ name, parentSpanId }) => name === "export batch" && parentSpanId === spanId,
              )
              .map(({ attributes }) => Number(attributes["lab.heap_used_bytes"]) / 2 ** 20);
            const [first = 0, last = 0] = [heaps[0], heaps.at(-1)];
            return { batches: heaps.length, mb: last - first };
          });
        const steep = grown.filter(
          ({ batches, mb }) => batches > 1 && mb > 0.5 * (batches - 1) * Number(params.batchMb),
        );
        return {
          ok: steep.length > 0 && steep.length === grown.length,
          seen: grown
            .map(({ batches, mb }) => `${mb.toFixed(0)} MB in ${batches} batches`)
            .join("; "),
        };
      },
      why: "A leak is a slope: nothing of what was written is let go.",
      hint: "A heap that goes up and down is a busy one, and no leak.",
    },
    {
      signal: "metric",
      name: "lab_exporter_gc_seconds_total",
      delta: { gt: 0 },
      modes: ["fault", "fix"],
      why: "The garbage collector's time is counted: before the end it takes more and finds less.",
      hint: "Each process tells it with its batches; what it took for the last one died with it.",
    },
    {
      signal: "span",
      select: { name: "export batch", status: "error" },
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "No batch failed: the one in which the process died is not red but missing.",
      hint: "A red span means that somebody could still end it, so this was no heap abort.",
    },
    {
      signal: "metric",
      name: "lab_exporter_heap_used_bytes",
      max: { gte: "524288*${params.heapMb}" },
      why: "The gauge climbs towards the limit: the only warning there is before the end.",
      hint: "It is what the process last said of itself, kept by its parent.",
    },
    {
      signal: "metric",
      name: "lab_component_restarts_total",
      labels: { component: "exporter" },
      delta: { gte: 1 },
      why: "Restarts are counted: a leak that restarts hide shows here as a rate.",
      hint: "Counted by the parent when it starts the process again.",
    },
    {
      signal: "agree",
      of: [
        { spans: { name: "export process", status: "error" } },
        {
          metric: { name: "lab_component_restarts_total", labels: { component: "exporter" } },
        },
        { logs: { body: "export process died", severity: "error" } },
      ],
      why: "Spans, metric and log lines of the parent tell the same number of deaths.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "error",
      body: "export process died",
      attributes: { exitCode: 134 },
      count: { gte: 1 },
      correlated: true,
      why: "The only line about the death is the parent's, and it carries the trace.",
      hint: "V8's own last words are on standard error: look at the server's log.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "This is the point: a heap abort runs no handler, so the error tracker that is in the process hears nothing.",
      hint: "An event means that an exception was thrown first: then it was no heap abort.",
    },
    {
      signal: "log",
      severity: "fatal",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "The process that died could not write a last line.",
      hint: "A fatal line comes from the crash path, which a heap abort does not take.",
    },
    {
      signal: "span",
      select: { name: "export process" },
      count: 1,
      every: { status: "unset", attributes: { "process.exit.code": 0, "lab.retry.attempt": 1 } },
      modes: ["control", "fix"],
      why: "One process does the whole job.",
      hint: "A second one means that the first died: look at its heap.",
    },
    {
      signal: "span",
      select: { name: "export batch" },
      every: { attributes: { "lab.heap_used_bytes": { lt: "943718.4*${params.heapMb}" } } },
      modes: ["fix"],
      why: "The heap stays within its limit, however many batches are written.",
      hint: "A growing one means that something still keeps what is done with.",
    },
    {
      signal: "metric",
      name: "lab_component_restarts_total",
      labels: { component: "exporter" },
      delta: 0,
      modes: ["control", "fix"],
      why: "Nothing had to be started again.",
      hint: "Look at the exit codes of the export processes.",
    },
    {
      signal: "metric",
      name: "lab_exporter_heap_used_bytes",
      returnsTo: "baseline",
      modes: ["fault", "control", "fix"],
      why: "The memory is gone with the process: the shop keeps none of it.",
      hint: "The gauge goes to zero when the export is over.",
    },
    {
      signal: "log",
      severity: "info",
      body: "orders exported",
      attributes: { deaths: 0 },
      count: 1,
      correlated: true,
      modes: ["control", "fix"],
      why: "The export is done at the first try.",
      hint: "Deaths above zero mean that the heap was too small after all.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control", "fix"],
      why: "The leak took its own process along and not the shop.",
      hint: "If the server restarted, the work was done in its own heap.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "Whoever asked for the export gets it: restarts hide a leak well.",
      hint: "A 500 means that processes kept dying.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "Processes that die leave gaps, but no spans without a parent.",
      hint: "An orphan means that a child was sent whose parent died with the process.",
    },
  ],
});
