import { expect, test } from "vitest";
import type { RedBody } from "#lab/api/red.ts";
import { openTestStore } from "./testing/open.ts";
import { span, tracesProtobuf } from "./testing/payload.ts";

test("rate, errors and durations come from the spans of the window", async () => {
  const store = await openTestStore();
  const now = BigInt(Date.now()) * 1_000_000n;
  const lasting = (ms: number, more = {}) =>
    span({
      name: "GET /orders",
      startTimeUnixNano: String(now),
      endTimeUnixNano: String(now + BigInt(ms) * 1_000_000n),
      ...more,
    });
  const spans = Array.from({ length: 100 }, (_, n) =>
    lasting(n + 1, n < 3 ? { status: { code: 2 } } : {}),
  );
  const old = lasting(1, { startTimeUnixNano: String(now - 3600n * 1_000_000_000n) });
  await store.post("/v1/traces", tracesProtobuf([...spans, old]));
  const { operations } = await store.get<RedBody>("/lab/red?seconds=50");
  expect(operations).toMatchObject([
    { service: "lab-server", name: "GET /orders", count: 100, rate: 2, errors: 3 },
  ]);
  for (const [key, ms] of [
    ["p50Ms", 50],
    ["p95Ms", 95],
    ["p99Ms", 99],
  ] as const) {
    expect(operations[0]?.[key]).toBeGreaterThan(ms * 0.97);
    expect(operations[0]?.[key]).toBeLessThan(ms * 1.03);
  }
  expect((await fetch(`${store.url}/lab/red?seconds=-1`)).status).toBe(400);
});

test("a service's row counts what it was asked to do, and one service can be asked for", async () => {
  const store = await openTestStore();
  const now = String(BigInt(Date.now()) * 1_000_000n);
  const at = (more: object) => span({ startTimeUnixNano: now, endTimeUnixNano: now, ...more });
  const parentSpanId = "ab".repeat(8);
  await store.post(
    "/v1/traces",
    tracesProtobuf([
      at({ name: "GET /a", kind: 2, parentSpanId, status: { code: 2 } }),
      at({ name: "receive", kind: 5, parentSpanId }),
      at({ name: "job" }),
      at({ name: "GET /a", kind: 3, parentSpanId }),
      at({ name: "step", kind: 1, parentSpanId }),
    ]),
  );
  await store.post("/v1/traces", tracesProtobuf([at({ name: "click" })], "lab-web"));
  const body = await store.get<RedBody>("/lab/red?seconds=50");
  expect(body.services).toMatchObject([
    { service: "lab-server", name: "", count: 3, errors: 1 },
    { service: "lab-web", count: 1, errors: 0 },
  ]);
  expect(body.operations).toHaveLength(6);
  expect(body.operations).toContainEqual(
    expect.objectContaining({ name: "GET /a", kind: "client", count: 1, errors: 0 }),
  );
  const one = await store.get<RedBody>("/lab/red?seconds=50&service=lab-web");
  expect(one.operations).toMatchObject([{ service: "lab-web", name: "click" }]);
  const none = await store.get<RedBody>("/lab/red?seconds=50&service=nobody&limit=1");
  expect(none).toMatchObject({ services: [], operations: [] });
  expect((await store.get<RedBody>("/lab/red?limit=2")).operations).toHaveLength(2);
});
