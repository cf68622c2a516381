import { TraceFlags } from "@opentelemetry/api";
import type { Context, Next } from "koa";
import { header } from "#scenarios/names.ts";
import { serverSpans } from "../telemetry/server-span.ts";

/**
 * Tells the caller which span answered, also when it sent no `traceparent`
 * (https://www.w3.org/TR/trace-context-2/#traceresponse-header).
 */
export function traceResponse(ctx: Context, next: Next): Promise<void> {
  const span = serverSpans.of(ctx.req)?.spanContext();
  if (span !== undefined) {
    const sampled = (span.traceFlags & TraceFlags.SAMPLED) === 0 ? "00" : "01";
    ctx.set(header.traceResponse, `00-${span.traceId}-${span.spanId}-${sampled}`);
  }
  return next();
}
