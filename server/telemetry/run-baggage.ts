import { type Attributes, type Context, propagation } from "@opentelemetry/api";
import type { SpanProcessor } from "@opentelemetry/sdk-trace-base";
import { modes } from "#scenarios/mode.ts";
import { attribute } from "#scenarios/names.ts";

/** Baggage is sent by strangers: only these three keys become attributes, and only in this form. */
const allowed: Readonly<Record<string, (value: string) => boolean>> = {
  [attribute.runId]: (value) => /^[0-9a-z]{26}$/.test(value),
  [attribute.scenarioId]: (value) => /^[a-z0-9]{1,20}\.[a-z0-9-]{1,60}$/.test(value),
  [attribute.scenarioMode]: (value) => (modes as readonly string[]).includes(value),
};

/** The run that a context belongs to, as attributes; empty outside runs. */
export function runAttributes(context: Context): Attributes {
  const attributes: Attributes = {};
  const baggage = propagation.getBaggage(context);
  if (baggage === undefined) return attributes;
  for (const [key, isValid] of Object.entries(allowed)) {
    const value = baggage.getEntry(key)?.value;
    if (value !== undefined && isValid(value)) attributes[key] = value;
  }
  return attributes;
}

/** The context with the run's three baggage entries set, others kept. */
export function withRunBaggage(
  context: Context,
  run: { readonly runId: string; readonly scenario: string; readonly mode: string },
): Context {
  const baggage = (propagation.getBaggage(context) ?? propagation.createBaggage())
    .setEntry(attribute.runId, { value: run.runId })
    .setEntry(attribute.scenarioId, { value: run.scenario })
    .setEntry(attribute.scenarioMode, { value: run.mode });
  return propagation.setBaggage(context, baggage);
}

/** Copies the run's baggage to every span. */
export const runBaggageToSpans: SpanProcessor = {
  onStart: (span, context) => void span.setAttributes(runAttributes(context)),
  onEnd() {},
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
};
