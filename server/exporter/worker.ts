/**
 * The exporting process: started with `telemetry.ts`, so it has spans, logs and Sentry as the app
 * has. It does what its one message says and ends.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { context, propagation, trace } from "@opentelemetry/api";
import { telemetry } from "../telemetry/running.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** Length of one exported line. */
const lineBytes = 1024;
/** What writing a batch takes. */
const writeMs = 15;
const flushMs = 2000;
const tracer = trace.getTracer("lab-server/exporter");

/** Of the garbage collector, since somebody last asked. */
let gcMs = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMs += duration;
}).observe({ entryTypes: ["gc"] });

/** Batches that were written and that nobody needs any more. */
const kept: (readonly string[])[] = [];

async function exportAll({ job, written, carrier }: ToWorker): Promise<void> {
  const caller = propagation.extract(context.active(), carrier);
  for (let batch = written + 1; batch <= job.batches; batch++) {
    const heapUsed = await context.with(caller, () =>
      tracer.startActiveSpan("export batch", async (span) => {
        // By way of a buffer: a padded string would be a rope that shares its padding.
        const lines = Array.from({ length: job.batchRows }, (_, row) =>
          Buffer.alloc(lineBytes, `${batch}-${row};`).toString("latin1"),
        );
        await pause(writeMs);
        if (job.keeps === "everything") kept.push(lines);
        const used = process.memoryUsage().heapUsed;
        span.setAttribute("lab.batch", batch);
        span.setAttribute("lab.heap_used_bytes", used);
        span.end();
        return used;
      }),
    );
    const message: FromWorker = { written: batch, heapUsed, gcMs };
    gcMs = 0;
    await new Promise((sent) => process.send?.(message, sent));
    // What an aborted process still holds is lost, spans too.
    await telemetry().flush(flushMs);
  }
  process.exit(0);
}

process.once("message", (message) => void exportAll(message as ToWorker));
process.once("disconnect", () => process.exit(0));
