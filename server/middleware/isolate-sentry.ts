import type { Context, Next } from "koa";
import { Sentry } from "../telemetry/sentry-sdk.ts";

/**
 * A Sentry scope per request: user, tags and breadcrumbs of one request never reach the event of
 * another that runs at the same time.
 */
export function isolateSentry(ctx: Context, next: Next): Promise<void> {
  return Sentry.withIsolationScope(async (scope) => {
    scope.setTransactionName(ctx.method);
    scope.setSDKProcessingMetadata({
      // Neither query nor headers: they are where secrets travel.
      normalizedRequest: { method: ctx.method, url: `${ctx.protocol}://${ctx.host}${ctx.path}` },
    });
    await next();
  });
}
