import Router from "@koa/router";
import Koa from "koa";
import { log } from "./log.ts";
import { answerErrors } from "./middleware/answer-errors.ts";
import { doorCheck } from "./middleware/check-door.ts";
import { methodCheck } from "./middleware/check-method.ts";
import { isolateSentry } from "./middleware/isolate-sentry.ts";
import { measureRequests } from "./middleware/measure-requests.ts";
import { traceResponse } from "./middleware/trace-response.ts";
import { orderRoutes } from "./orders/routes.ts";
import { reportHandled } from "./report.ts";
import { customerExportRoute } from "./routes/customer-export.ts";
import { productImageRoutes } from "./routes/product-images.ts";
import { type ScenarioHost, scenarioRoutes } from "./routes/scenarios.ts";
import { shopRoutes } from "./routes/shop.ts";
import { signInRoutes } from "./sign-in/routes.ts";
import { identify } from "./sign-in/sessions.ts";
import { vitalsRoute } from "./vitals/route.ts";

/** The shop as a Koa app. It opens nothing: give its `callback()` to a server. */
export function createApp(host: ScenarioHost & { readonly doorSecret: string }): Koa {
  const app = new Koa();
  const router = new Router();
  router.get("/healthz", function healthz(ctx) {
    ctx.body = { status: "ok" };
  });
  shopRoutes(router, host.sql, host.edges.cache);
  productImageRoutes(router, host.sql, host.edges.objects);
  orderRoutes(router, { sql: host.sql, orderEvents: host.edges.orderEvents });
  signInRoutes(router, host.edges.signIn);
  customerExportRoute(router, host.sql);
  scenarioRoutes(router, host);
  vitalsRoute(router);

  // One report per failed request: log and Sentry both hang on this event.
  app.on("error", (error: unknown) => {
    log.error({ err: error }, "request failed");
    reportHandled(error);
  });

  app.use(measureRequests);
  app.use(isolateSentry);
  app.use(traceResponse);
  app.use(answerErrors);
  app.use(doorCheck(host.doorSecret));
  app.use(methodCheck(router));
  app.use(identify(app, host.edges.signIn));
  app.use(router.routes());
  return app;
}
