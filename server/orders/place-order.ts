import type { Sql } from "postgres";
import * as v from "valibot";
import { AppError } from "../errors.ts";

const wholeNumber = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
const orderSchema = v.strictObject({
  customerId: wholeNumber(1, 2_147_483_647),
  productId: wholeNumber(1, 2_147_483_647),
  quantity: wholeNumber(1, 100),
});

/** What a customer asks for. */
export type OrderRequest = v.InferOutput<typeof orderSchema>;

export interface PlacedOrder extends OrderRequest {
  readonly id: number;
  readonly totalCents: number;
  readonly placedAt: Date;
}

/**
 * Checks what came as a body.
 * @throws AppError `invalid_order`. It names the fields and repeats no value: they came from outside.
 */
export function parseOrder(body: unknown): OrderRequest {
  const parsed = v.safeParse(orderSchema, body);
  if (parsed.success) return parsed.output;
  const fields = [...new Set(parsed.issues.map((issue) => v.getDotPath(issue) ?? "the body"))];
  throw new AppError(400, "invalid_order", `This is no order: ${fields.sort().join(", ")}.`, {
    hint: 'Send JSON like {"customerId":1,"productId":1,"quantity":1}.',
  });
}

/**
 * Writes an order in one transaction, at the price of that moment.
 * @throws AppError `unknown_product` or `unknown_customer`.
 */
export async function placeOrder(sql: Sql, order: OrderRequest): Promise<PlacedOrder> {
  return sql.begin(async (tx) => {
    const [product] = await tx<{ readonly price_cents: number }[]>`
      select price_cents from products where id = ${order.productId} for share`;
    if (product === undefined) {
      throw new AppError(404, "unknown_product", "There is no such product.", {
        hint: "GET /api/products lists them.",
      });
    }
    const [customer] = await tx`select 1 from customers where id = ${order.customerId}`;
    if (customer === undefined) {
      throw new AppError(404, "unknown_customer", "There is no such customer.", {
        hint: "GET /api/customers lists some.",
      });
    }
    const totalCents = product.price_cents * order.quantity;
    // The id is the invoice number too: the seeded ones stay below it, so both are unique.
    const [placed] = await tx<{ readonly id: number; readonly placed_at: Date }[]>`
      with next as (select nextval('placed_order_ids')::integer as id)
      insert into orders
        (id, customer_id, product_id, quantity, total_cents, placed_at, invoice_number)
      select id, ${order.customerId}, ${order.productId}, ${order.quantity}, ${totalCents}, now(), id
      from next
      returning id, placed_at`;
    if (placed === undefined) throw new Error("the database returned no order");
    return { ...order, id: placed.id, totalCents, placedAt: placed.placed_at };
  });
}
