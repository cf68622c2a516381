import { context, SpanStatusCode, type TextMapPropagator } from "@opentelemetry/api";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { ATTR_DB_SYSTEM_NAME } from "@opentelemetry/semantic-conventions";
import type { LiveMutant } from "#scenarios/live-mutants.ts";
import { attribute } from "#scenarios/names.ts";
import { runAttributes } from "./run-baggage.ts";

/** What is broken on purpose, by run id. Empty but in a self-test. */
const broken = new Map<string, LiveMutant>();

/**
 * Breaks the instrumentation for one run, until its ticket is over.
 * @param untilMs milliseconds since the epoch.
 */
export function breakTelemetryOf(runId: string, mutant: LiveMutant, untilMs: number): void {
  broken.set(runId, mutant);
  setTimeout(() => broken.delete(runId), Math.max(0, untilMs - Date.now())).unref();
}

const isBroken = (runId: unknown, mutant: LiveMutant): boolean =>
  typeof runId === "string" && broken.get(runId) === mutant;

/** Injects as `propagator` does, but not for a run that is to lose it. */
export const unlessDropped = (propagator: TextMapPropagator): TextMapPropagator => ({
  inject(active, carrier, setter) {
    if (broken.size > 0 && isBroken(runAttributes(active)[attribute.runId], "drop-traceparent")) {
      return;
    }
    propagator.inject(active, carrier, setter);
  },
  extract: (active, carrier, getter) => propagator.extract(active, carrier, getter),
  fields: () => propagator.fields(),
});

/** Has to come before the processors that look at the status. */
export const databaseStatusUnlessDropped: SpanProcessor = {
  onStart() {},
  onEnd(span: ReadableSpan) {
    if (broken.size === 0 || span.attributes[ATTR_DB_SYSTEM_NAME] === undefined) return;
    if (!isBroken(span.attributes[attribute.runId], "drop-database-status")) return;
    span.status.code = SpanStatusCode.UNSET;
  },
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};

/** Whether Sentry may hear of something: not from a run that is to be silent. */
export function isForSentry(runId: unknown): boolean {
  if (broken.size === 0) return true;
  return !isBroken(runId ?? runAttributes(context.active())[attribute.runId], "silence-sentry");
}
