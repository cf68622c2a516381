import type { Context, Next } from "koa";
import { observeRequest } from "../metrics.ts";

/** All requests that no route answers share one label: paths are unbounded. */
const unmatched = "unmatched";

/** Observes every answer by route template. Outermost, so that it sees the final status. */
export async function measureRequests(ctx: Context, next: Next): Promise<void> {
  const startedAt = performance.now();
  try {
    await next();
  } finally {
    const route = typeof ctx._matchedRoute === "string" ? ctx._matchedRoute : unmatched;
    observeRequest(
      { method: knownMethod(ctx.method), route, status: ctx.status },
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
