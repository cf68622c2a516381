import { type ChildProcess, fork } from "node:child_process";
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
/** Share of the heap in use from which the next process is made ready: its start takes longer than the rest of this one's life. */
const heapNearlyFull = 0.5;
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
const gcTime = new Counter({
  name: metric.exporterGcTime,
  help: "Time that the garbage collectors of exporting processes have worked.",
  registers,
});
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
  let spare: ChildProcess | undefined;
  try {
    for (let attempt = 1; attempt <= processesAtMost; attempt++) {
      const exitCode = await tracer.startActiveSpan(
        "export process",
        { attributes: { [attribute.retryAttempt]: attempt } },
        (span) => {
          const child = spare?.connected ? spare : startProcess(job);
          spare = undefined;
          return runProcess(child, { job, written }, span, (message) => {
            written = message.written;
            if (message.heapUsed > heapNearlyFull * job.heapMb * 2 ** 20) {
              spare ??= startProcess(job);
            }
          });
        },
      );
      if (exitCode === 0) return { batches: written, exitCodes };
      exitCodes.push(exitCode);
      log.error({ exitCode, written, [attribute.retryAttempt]: attempt }, "export process died");
      if (attempt < processesAtMost) restarts.inc({ component });
    }
  } finally {
    heapUsed.set(0);
    spare?.kill("SIGKILL");
  }
  throw new AppError(500, "export_failed", "The export kept dying.", {
    hint: "Its process runs out of memory: look at the heap of the last one.",
  });
}

const workerFile = fileURLToPath(new URL("./worker.ts", import.meta.url));
const telemetryUrl = new URL("../telemetry.ts", import.meta.url).href;

/** Waits for its one task. */
function startProcess({ heapMb }: ExportJob): ChildProcess {
  const child = fork(workerFile, [], {
    execArgv: [`--max-old-space-size=${heapMb}`, "--import", telemetryUrl],
    // Its last words go where those of the app go.
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  // A spare that could not be started is one less; nobody else would hear of it.
  return child.on("error", () => {});
}

/** Resolves with the exit code as a shell tells it: 128 + n when signal n ended the process. */
function runProcess(
  child: ChildProcess,
  task: Omit<ToWorker, "carrier">,
  span: Span,
  onMessage: (message: FromWorker) => void,
): Promise<number> {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  if (child.pid !== undefined) span.setAttribute("process.pid", child.pid);
  child.send({ ...task, carrier } satisfies ToWorker);
  child.on("message", (message: FromWorker) => {
    heapUsed.set(message.heapUsed);
    gcTime.inc(message.gcMs / 1000);
    onMessage(message);
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
