import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { expect, onTestFinished, test } from "vitest";
import { openTap } from "../testing/tap.ts";
import { otlpDelivery } from "./otlp.ts";
import { ownQueues } from "./own-queues.ts";
import { sendAtLocalRoot } from "./span-delivery.ts";

/** Queues in front of a real receiver, which can be away. */
async function queuesUnderTest() {
  const tap = await openTap();
  onTestFinished(() => tap.close());
  const exporter = new OTLPTraceExporter({ url: `${tap.url}/v1/traces`, timeoutMillis: 1000 });
  const dropped: string[] = [];
  const queues = ownQueues((capacity) => {
    const delivery = otlpDelivery<ReadableSpan>(
      exporter,
      (count, reason) => dropped.push(...Array.from({ length: count }, () => reason)),
      capacity,
    );
    const provider = new BasicTracerProvider({ spanProcessors: [sendAtLocalRoot(delivery)] });
    return { tracer: provider.getTracer("test"), delivery };
  });
  const arrived = () =>
    tap.requests.flatMap(({ body }) => body.toString("latin1").match(/(?:big|small)-\d+\./g) ?? []);
  return { tap, queues, dropped, arrived };
}

test("what one piece of work has too many of is dropped and counted exactly, and nobody else's", async () => {
  const { tap, queues, dropped, arrived } = await queuesUnderTest();
  await tap.refuse();
  const [big, small] = [queues.open(100), queues.open(100)];
  for (let n = 0; n < 300; n++) big.tracer.startSpan(`big-${n}.`).end();
  for (let n = 0; n < 100; n++) small.tracer.startSpan(`small-${n}.`).end();
  expect(dropped).toEqual(Array.from({ length: 200 }, () => "queue_full"));
  expect(queues.size()).toBe(200);

  await tap.reopen();
  expect(await Promise.all([big.drain(5000), small.drain(5000)])).toEqual([true, true]);
  const seen = arrived();
  expect(seen.filter((name) => name.startsWith("small"))).toHaveLength(100);
  // The oldest have gone.
  const kept = Array.from({ length: 100 }, (_, n) => `big-${n + 200}.`);
  expect(seen.filter((name) => name.startsWith("big")).sort()).toEqual(kept.sort());
  expect(dropped).toHaveLength(200);
});

test("what waits when the work ends is still delivered, or counted when the process stops", async () => {
  const { tap, queues, dropped, arrived } = await queuesUnderTest();
  await tap.refuse();
  const own = queues.open(10);
  own.tracer.startSpan("small-1.").end();
  own.close();
  expect(queues.size()).toBe(1);
  await tap.reopen();
  await queues.flush(5000);
  expect(arrived()).toEqual(["small-1."]);
  expect(queues.size()).toBe(0);

  await tap.refuse();
  const last = queues.open(10);
  last.tracer.startSpan("small-2.").end();
  queues.abandon();
  expect(dropped).toEqual(["shutdown"]);
});
