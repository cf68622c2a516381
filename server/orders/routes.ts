import { bodyParser } from "@koa/bodyparser";
import type Router from "@koa/router";
import type { Sql } from "postgres";
import type { OrderEvents } from "#scenarios/edges/order-events.ts";
import { AppError } from "../errors.ts";
import { log } from "../log.ts";
import { parseOrder, placeOrder } from "./place-order.ts";

const readBody = bodyParser({
  enableTypes: ["json"],
  jsonLimit: "4kb",
  onError() {
    // The parser's own message repeats the body.
    throw new AppError(400, "invalid_json", "The body is not valid JSON of at most 4 kB.", {
      hint: "Send it with content-type application/json.",
    });
  },
});

/** `POST /api/orders` places an order, then tells whoever listens. */
export function orderRoutes(
  router: Router,
  { sql, orderEvents }: { readonly sql: Sql; readonly orderEvents: OrderEvents },
): void {
  router.post("/api/orders", async function postOrder(ctx) {
    await readBody(ctx, () => Promise.resolve());
    const order = await placeOrder(sql, parseOrder(ctx.request.body));
    const { id: orderId, customerId, totalCents } = order;
    // The order stands, whether anybody hears of it or not.
    await orderEvents.publish({ orderId, customerId, totalCents }).catch((error: unknown) => {
      log.warn({ err: error, orderId }, "nobody was told of an order");
    });
    ctx.status = 201;
    ctx.set("location", `/api/orders/${orderId}`);
    ctx.body = { order };
  });
}
