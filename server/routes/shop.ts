import type Router from "@koa/router";
import type { Sql } from "postgres";
import type { Cache } from "#scenarios/edges/cache.ts";
import { AppError } from "../errors.ts";
import { imagePath } from "./product-images.ts";

const pageSize = 50;
/** Prices change seldom; nobody minds seeing an old one for half a minute. */
const catalogueTtlMs = 30_000;

/** The shop itself: what a visitor of an ordinary app would read. */
export function shopRoutes(router: Router, sql: Sql, cache: Cache): void {
  router.get("/api/customers", async function customers(ctx) {
    ctx.body = {
      customers: await sql`
        select id, name, email, city from customers order by id limit ${pageSize}`,
    };
  });
  router.get("/api/products", async function products(ctx) {
    ctx.body = {
      products: await cache.through("products:list", { ttlMs: catalogueTtlMs }, async () => {
        const products = await sql`
          select id, name, price_cents from products order by id limit ${pageSize}`;
        return products.map((product) => ({ ...product, image: imagePath(product.id) }));
      }),
    };
  });
  router.get("/api/orders", async function orders(ctx) {
    const customer = positiveInteger(ctx.query.customer, "customer");
    ctx.body = {
      orders: await sql`
        select id, product_id, quantity, total_cents, placed_at
        from orders where customer_id = ${customer} order by id limit ${pageSize}`,
    };
  });
  router.get("/api/orders/:id", async function order(ctx) {
    const id = positiveInteger(ctx.params.id, "id");
    const [found] = await sql`
      select id, customer_id, product_id, quantity, total_cents, placed_at
      from orders where id = ${id}`;
    if (found === undefined) {
      throw new AppError(404, "order_not_found", `There is no order ${id}.`, {
        hint: "GET /api/orders?customer=1 lists some.",
      });
    }
    ctx.body = { order: found };
  });
}

/** The value is not repeated in the message: it came from outside. */
function positiveInteger(value: unknown, name: string): number {
  const number = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : 0;
  if (number < 1) {
    throw new AppError(400, "invalid_parameter", `${name} must be a whole number above 0.`, {
      hint: `Send for example ${name}=1.`,
    });
  }
  return number;
}
