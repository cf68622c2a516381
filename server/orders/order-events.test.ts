import { once } from "node:events";
import { context, propagation, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { OrderEvents, OrderPlaced } from "#scenarios/edges/order-events.ts";
import { type RecordedSpans, recordSpans } from "../testing/spans.ts";
import { openValkey, type Valkey } from "../valkey/client.ts";
import { startValkey, type ValkeyProcess } from "../valkey/testing/valkey-process.ts";
import { openOrderEvents } from "./order-events.ts";

const order: OrderPlaced = { orderId: 7, customerId: 3, totalCents: 1250 };
let spans: RecordedSpans;
let server: ValkeyProcess;
let valkey: Valkey;
let events: OrderEvents;
const failures: unknown[] = [];
let failed = Promise.withResolvers<void>();
beforeAll(async () => {
  spans = recordSpans();
  server = await startValkey();
  // Instead of the app's 250 ms: a machine may be busy for longer and Valkey not be away.
  valkey = openValkey(server.url, { patienceMs: 10_000 });
  await once(valkey.client, "ready");
  events = openOrderEvents(valkey, {
    onFailure(error) {
      failures.push(error);
      failed.resolve();
    },
  });
});
afterAll(async () => {
  valkey.close();
  await Promise.all([server.kill(), spans.stop()]);
});
beforeEach(() => {
  spans.reset();
  failures.length = 0;
  failed = Promise.withResolvers();
});

/** Publishes once within a request and waits until `subscribers` have it. */
async function deliver(subscribers: number, relation?: "link" | "child") {
  const arrived = Promise.withResolvers<void>();
  const got: OrderPlaced[] = [];
  const insides: (string | undefined)[] = [];
  const baggage: (string | undefined)[] = [];
  const ends = await Promise.all(
    Array.from({ length: subscribers }, () =>
      events.subscribe(
        async (placed) => {
          got.push(placed);
          insides.push(trace.getActiveSpan()?.spanContext().spanId);
          baggage.push(propagation.getActiveBaggage()?.getEntry("lab.run.id")?.value);
          if (got.length === subscribers) arrived.resolve();
        },
        relation === undefined ? {} : { relation },
      ),
    ),
  );
  const receivers = await spans.within(() =>
    context.with(
      propagation.setBaggage(
        context.active(),
        propagation.createBaggage({ "lab.run.id": { value: "a-run" } }),
      ),
      () => events.publish(order),
    ),
  );
  await arrived.promise;
  await Promise.all(ends.map((end) => end()));
  return { got, insides, baggage, receivers };
}

test("each subscriber processes in a trace of its own, linked to the publisher's span", async () => {
  const { got, insides, baggage, receivers } = await deliver(3);
  expect(receivers).toBe(3);
  expect(got).toEqual([order, order, order]);
  const [producer] = spans.named("publish orders");
  const processed = spans.named("process orders");
  expect(producer?.kind).toBe(SpanKind.PRODUCER);
  expect(processed.map(({ kind }) => kind)).toEqual(Array(3).fill(SpanKind.CONSUMER));
  expect(processed.map(({ parentSpanContext }) => parentSpanContext)).toEqual(
    Array(3).fill(undefined),
  );
  const traces = processed.map((span) => span.spanContext().traceId);
  expect(new Set([...traces, producer?.spanContext().traceId]).size).toBe(4);
  for (const { links } of processed) {
    expect(links.map(({ context }) => context.spanId)).toEqual([producer?.spanContext().spanId]);
  }
  expect(new Set(insides)).toEqual(new Set(processed.map((span) => span.spanContext().spanId)));
  expect(baggage).toEqual(["a-run", "a-run", "a-run"]);
  expect(processed[0]?.attributes).toMatchObject({
    "messaging.system": "redis",
    "messaging.destination.name": "orders",
    "messaging.operation.name": "process",
    "messaging.operation.type": "process",
  });
});

test("as a child it is below the publisher's span, and linked as well", async () => {
  await deliver(1, "child");
  const producer = spans.named("publish orders")[0]?.spanContext();
  const [processed] = spans.named("process orders");
  expect(processed?.parentSpanContext?.spanId).toBe(producer?.spanId);
  expect(processed?.spanContext().traceId).toBe(producer?.traceId);
  expect(processed?.links).toHaveLength(1);
});

test("a handler that fails is reported on its span, and the next order is processed", async () => {
  let calls = 0;
  const again = Promise.withResolvers<void>();
  const end = await events.subscribe(async () => {
    calls += 1;
    if (calls === 1) throw new Error("out of boxes");
    again.resolve();
  });
  await events.publish(order);
  await events.publish(order);
  await Promise.all([failed.promise, again.promise]);
  await end();
  expect(failures.map(String)).toEqual(["Error: out of boxes"]);
  expect(spans.named("process orders").map(({ status }) => status.code)).toEqual([
    SpanStatusCode.ERROR,
    SpanStatusCode.UNSET,
  ]);
});

test.each(["no json", "{}", '{"order":{"orderId":"7"}}', '{"context":{"traceparent":1}}'])(
  "a message that is no order is reported and not repeated: %s",
  async (text) => {
    const end = await events.subscribe(async () => expect.unreachable());
    await valkey.client.publish("orders", text);
    await failed.promise;
    await end();
    expect(failures.map(String)).toEqual(["Error: a message on orders is no order"]);
  },
);

test("a subscription outlives a restart of Valkey", async () => {
  const arrived = Promise.withResolvers<OrderPlaced>();
  const end = await events.subscribe(async (placed) => arrived.resolve(placed));
  await server.kill();
  await expect(events.publish(order)).rejects.toThrow();
  await server.start();
  for (;;) {
    const receivers = await events.publish(order).catch(() => 0);
    if (receivers > 0) break;
    await new Promise(setImmediate);
  }
  expect(await arrived.promise).toEqual(order);
  await end();
});
