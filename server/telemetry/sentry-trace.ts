import { isSpanContextValid, type TextMapPropagator, TraceFlags, trace } from "@opentelemetry/api";

const headerName = "sentry-trace";
const format = /^\s*([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?\s*$/;

/**
 * Continues a trace that a Sentry SDK began and that carries no `traceparent`
 * (https://develop.sentry.dev/sdk/telemetry/traces/#header-sentry-trace). It has to come after the
 * W3C propagator, which wins. Nothing is injected: the app itself speaks W3C.
 *
 * `-0` means that Sentry sampled the transaction away; the spans here are kept all the same.
 */
export const sentryTracePropagator: TextMapPropagator = {
  inject() {},
  extract(context, carrier, getter) {
    if (trace.getSpanContext(context) !== undefined) return context;
    const value = getter.get(carrier, headerName);
    const match = format.exec((Array.isArray(value) ? value[0] : value) ?? "");
    if (match === null) return context;
    const [, traceId = "", spanId = ""] = match;
    const spanContext = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
    return isSpanContextValid(spanContext) ? trace.setSpanContext(context, spanContext) : context;
  },
  fields: () => [headerName],
};
