import { context } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode, suppressTracing } from "@opentelemetry/core";
import { codeOf } from "../error-type.ts";
import { createDelivery, type Delivery, type DropReason, type Outcome } from "./delivery.ts";

/** The part of an OTLP exporter that is used. */
export interface Exporter<T> {
  readonly export: (items: T[], callback: (result: ExportResult) => void) => void;
}

/** Spans or log records kept while the receiver is away: 200 s at 100 per second. */
const usualCapacity = 20_000;

/** A queue that sends through an OTLP exporter, outside any trace. */
export function otlpDelivery<T>(
  exporter: Exporter<T>,
  onDrop: (count: number, reason: DropReason) => void,
  capacity = usualCapacity,
): Delivery<T> {
  return createDelivery<T>({
    capacity,
    // Encoding is synchronous: bigger batches stall requests.
    batchSize: 512,
    firstBackoffMs: 250,
    maxBackoffMs: 2000,
    onDrop,
    send: (batch) =>
      context.with(
        suppressTracing(context.active()),
        () =>
          new Promise<Outcome>((resolve) => {
            exporter.export([...batch], (result) => resolve(outcomeOf(result)));
          }),
      ),
    schedule(ms, callback) {
      const timer = setTimeout(callback, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  });
}

/**
 * Which failures are worth another try: no answer at all, and the four status codes of the OTLP
 * specification (https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes).
 */
export function outcomeOf(result: ExportResult): Outcome {
  if (result.code === ExportResultCode.SUCCESS) return "delivered";
  const status = codeOf(result.error);
  if (typeof status !== "number") return "retry";
  return [429, 502, 503, 504].includes(status) ? "retry" : "rejected";
}
