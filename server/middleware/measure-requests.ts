import type { Context, Next } from "koa";
import { observeRequest } from "../metrics.ts";
import { clientLeftStatus } from "../outbound/client-left.ts";

/** All requests that no route answers share one label: paths are unbounded. */
const unmatched = "unmatched";

/** Observes every answer by route template. Outermost, so that it sees the final status. */
export async function measureRequests(ctx: Context, next: Next): Promise<void> {
  const startedAt = performance.now();
  // First of its listeners: that of the span, which ends with the connection, reads the status.
  ctx.res.prependOnceListener("close", () => {
    if (!ctx.res.writableFinished) ctx.res.statusCode = clientLeftStatus;
  });
  try {
    await next();
  } finally {
    const status = ctx.res.closed && !ctx.res.writableFinished ? clientLeftStatus : ctx.status;
    const route = typeof ctx._matchedRoute === "string" ? ctx._matchedRoute : unmatched;
    observeRequest(
      { method: knownMethod(ctx.method), route, status },
      (performance.now() - startedAt) / 1000,
    );
  }
}

const methods = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "TRACE",
  "CONNECT",
]);
const knownMethod = (method: string): string => (methods.has(method) ? method : "_OTHER");
