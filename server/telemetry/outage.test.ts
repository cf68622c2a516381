import { setTimeout as pause } from "node:timers/promises";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BasicTracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { expect, test } from "vitest";
import { openTap } from "../testing/tap.ts";
import { otlpDelivery } from "./otlp.ts";
import { sendAtLocalRoot } from "./span-delivery.ts";

const outageMs = 5000;
const everyMs = 10;

/** The real exporter over a real socket, in real time; the app's own time-out, shortened. */
test.concurrent.each(["refused", "hang", "unavailable"] as const)(
  "five seconds of %s at a hundred spans per second lose none of them",
  async (kind) => {
    const tap = await openTap();
    let dropped = 0;
    const delivery = otlpDelivery<ReadableSpan>(
      new OTLPTraceExporter({ url: `${tap.url}/v1/traces`, timeoutMillis: 1000 }),
      (count) => {
        dropped += count;
      },
    );
    const provider = new BasicTracerProvider({ spanProcessors: [sendAtLocalRoot(delivery)] });
    const tracer = provider.getTracer("test");
    if (kind === "refused") await tap.refuse();
    else tap.behave(kind);

    let made = 0;
    for (const end = Date.now() + outageMs; Date.now() < end; await pause(everyMs)) {
      tracer.startSpan(`unit-${made++}.`).end();
    }
    expect(tap.requests).toHaveLength(0);
    if (kind === "refused") await tap.reopen();
    else tap.behave("answer");
    await tap.next(({ body }) => body.includes(`unit-${made - 1}.`));

    const arrived = tap.requests.flatMap(
      ({ body }) => body.toString("latin1").match(/unit-\d+\./g) ?? [],
    );
    expect(arrived).toHaveLength(made);
    expect(new Set(arrived).size).toBe(made);
    expect(dropped).toBe(0);
    await provider.shutdown();
    await tap.close();
  },
);

test("a whole request goes out when its local root ends, in one POST", async () => {
  const tap = await openTap();
  const delivery = otlpDelivery<ReadableSpan>(
    new OTLPTraceExporter({ url: `${tap.url}/v1/traces` }),
    () => {},
  );
  const provider = new BasicTracerProvider({ spanProcessors: [sendAtLocalRoot(delivery)] });
  const tracer = provider.getTracer("test");
  const { context, trace } = await import("@opentelemetry/api");
  const root = tracer.startSpan("root");
  for (let n = 0; n < 20; n++) {
    tracer.startSpan(`child-${n}.`, {}, trace.setSpan(context.active(), root)).end();
  }
  root.end();
  const { body } = await tap.next(() => true);
  expect(body.toString("latin1").match(/child-\d+\./g)).toHaveLength(20);
  await provider.shutdown();
  await tap.close();
});
