import { afterAll, beforeAll, expect, test } from "vitest";
import { startApp, type TestApp } from "../testing/app.ts";
import { named, traceOf } from "../testing/evidence.ts";
import { hex } from "../testing/server.ts";

let postgres: TestApp["postgres"];
let store: TestApp["store"];
let server: TestApp["server"];
let stop: TestApp["stop"] | undefined;
beforeAll(async () => {
  ({ postgres, store, server, stop } = await startApp());
}, 60_000);
afterAll(() => stop?.());

const place = (body: string, traceId = hex(16)) =>
  server.fetch("/api/orders", {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: `00-${traceId}-${hex(8)}-01` },
    body,
  });

test("an order is placed at today's price, and stands though Valkey is away", async () => {
  const traceId = hex(16);
  const response = await place('{"customerId":1,"productId":2,"quantity":3}', traceId);
  expect(response.status).toBe(201);
  const { order } = (await response.json()) as {
    readonly order: { readonly id: number; readonly totalCents: number };
  };
  expect(order).toMatchObject({ customerId: 1, productId: 2, quantity: 3 });
  expect(order.id).toBeGreaterThan(500_000);
  const found = await server.fetch(response.headers.get("location") ?? "");
  expect(await found.json()).toMatchObject({ order: { total_cents: order.totalCents } });
  const spans = await traceOf(store, traceId);
  expect(named(spans, "publish orders")[0]).toMatchObject({ kind: 4, status: "error" });
  expect(named(spans, "POST /api/orders")[0]?.status).toBe("unset");
});

test.each([
  ["{", "invalid_json"],
  ["{}", "invalid_order"],
  ['{"customerId":1,"productId":1,"quantity":0}', "invalid_order"],
  ['{"customerId":1,"productId":1,"quantity":1.5}', "invalid_order"],
  ['{"customerId":"1","productId":1,"quantity":1}', "invalid_order"],
  ['{"customerId":1,"productId":1,"quantity":1,"price":"secret"}', "invalid_order"],
])("%s is refused, and not repeated", async (body, code) => {
  const response = await place(body);
  expect(response.status).toBe(400);
  const text = await response.text();
  expect(JSON.parse(text)).toMatchObject({ error: { code } });
  expect(text).not.toContain("secret");
});

test.each([
  ['{"customerId":1,"productId":999999,"quantity":1}', "unknown_product"],
  ['{"customerId":999999,"productId":1,"quantity":1}', "unknown_customer"],
])("%s is not found, and leaves no order", async (body, code) => {
  const count = async () =>
    (await postgres.admin`select count(*)::integer as n from shop.orders`)[0]?.n;
  const before = await count();
  const response = await place(body);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ error: { code } });
  expect(await count()).toBe(before);
});
