import { SpanStatusCode, trace } from "@opentelemetry/api";
import { ATTR_ERROR_TYPE } from "@opentelemetry/semantic-conventions";
import type { Context, Next } from "koa";
import { AppError, answerTo } from "../errors.ts";
import { clientLeftStatus, isAbandonedWork, presenceOf } from "../outbound/client-left.ts";
import { serverSpans } from "../telemetry/server-span.ts";

/**
 * Turns errors into answers. Koa's own handling would remove headers that are set already, so the
 * error stops here; `app.on("error")` hears of it once, through this emit.
 */
export async function answerErrors(ctx: Context, next: Next): Promise<void> {
  try {
    await next();
  } catch (error) {
    if (isAbandonedWork(presenceOf(ctx), error)) {
      ctx.status = clientLeftStatus;
      return;
    }
    const span = serverSpans.of(ctx.req);
    const answer = answerTo(error, (span ?? trace.getActiveSpan())?.spanContext().traceId);
    ctx.status = answer.status;
    ctx.body = answer.body;
    const wait = error instanceof AppError ? error.retryAfterSeconds : undefined;
    if (wait !== undefined) ctx.set("retry-after", String(wait));
    if (answer.status < 500) return;
    if (span !== undefined) {
      span.setAttribute(ATTR_ERROR_TYPE, errorTypeOf(error));
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      });
    }
    ctx.app.emit("error", error, ctx);
  }
}

function errorTypeOf(error: unknown): string {
  if (error instanceof AppError) return error.code;
  return error instanceof Error ? error.name : "_OTHER";
}
