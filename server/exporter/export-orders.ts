import { fork } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { context, propagation, type Span, SpanStatusCode, trace } from "@opentelemetry/api";
import { Counter, Gauge } from "prom-client";
import type { ExportJob, ExportResult } from "#scenarios/edges/workload.ts";
import { attribute, metric } from "#scenarios/names.ts";
import { AppError } from "../errors.ts";
import { log } from "../log.ts";
import { registry } from "../metrics.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** Processes that one export may cost. */
const processesAtMost = 6;
const component = "exporter";

const tracer = trace.getTracer("lab-server/exporter");
const registers = [registry];
const restarts = new Counter({
  name: metric.componentRestarts,
  help: "Processes of the app that were started again after they died.",
  labelNames: ["component"],
  registers,
});
restarts.inc({ component }, 0);
const heapUsed = new Gauge({
  name: metric.exporterHeapUsed,
  help: "Heap in use of the exporting process, as it last said.",
  registers,
});

/**
 * Exports orders in a process of its own: what it does to its memory is nobody else's trouble. When
 * it dies, a new one goes on after the last batch that was written.
 * @throws AppError 500 `export_failed` when processes keep dying.
 */
export async function exportOrders(job: ExportJob): Promise<ExportResult> {
  const exitCodes: number[] = [];
  let written = 0;
  try {
    for (let attempt = 1; attempt <= processesAtMost; attempt++) {
      const exitCode = await tracer.startActiveSpan(
        "export process",
        { attributes: { [attribute.retryAttempt]: attempt } },
        (span) =>
          runProcess(job, written, span, (batches) => {
            written = batches;
          }),
      );
      if (exitCode === 0) return { batches: written, exitCodes };
      exitCodes.push(exitCode);
      log.error({ exitCode, written, [attribute.retryAttempt]: attempt }, "export process died");
      if (attempt < processesAtMost) restarts.inc({ component });
    }
  } finally {
    heapUsed.set(0);
  }
  throw new AppError(500, "export_failed", "The export kept dying.", {
    hint: "Its process runs out of memory: look at the heap of the last one.",
  });
}

/** Resolves with the exit code as a shell tells it: 128 + n when signal n ended the process. */
function runProcess(
  job: ExportJob,
  written: number,
  span: Span,
  onWritten: (batches: number) => void,
): Promise<number> {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  const child = fork(fileURLToPath(new URL("./worker.ts", import.meta.url)), [], {
    execArgv: [
      `--max-old-space-size=${job.heapMb}`,
      "--import",
      new URL("../telemetry.ts", import.meta.url).href,
    ],
    // Its last words go where those of the app go.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  if (child.pid !== undefined) span.setAttribute("process.pid", child.pid);
  const task: ToWorker = { job, written, carrier };
  child.send(task);
  child.on("message", (message: FromWorker) => {
    heapUsed.set(message.heapUsed);
    onWritten(message.written);
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      span.end();
      reject(error);
    });
    // Not "exit": messages may still come after that.
    child.once("close", (code, signal) => {
      const exitCode = signal === null ? (code ?? 0) : 128 + constants.signals[signal];
      span.setAttribute("process.exit.code", exitCode);
      if (exitCode !== 0) {
        span.setAttribute("error.type", signal ?? String(exitCode));
        span.setStatus({ code: SpanStatusCode.ERROR, message: `exited with ${exitCode}` });
      }
      span.end();
      resolve(exitCode);
    });
  });
}
