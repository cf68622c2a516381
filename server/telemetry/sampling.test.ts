import { ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import { BasicTracerProvider, type ReadableSpan } from "@opentelemetry/sdk-trace-base";
import { expect, test } from "vitest";
import { type SamplingPolicy, withSampling } from "#scenarios/sampling.ts";
import { createSampling } from "./sampling.ts";

/** A tracer under the app's sampling, and what it let through. */
function sampled() {
  const kept: ReadableSpan[] = [];
  const { sampler, decideAtTail } = createSampling();
  const provider = new BasicTracerProvider({
    sampler,
    spanProcessors: [
      decideAtTail({
        onStart() {},
        onEnd: (span) => void kept.push(span),
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      }),
    ],
  });
  const tracer = provider.getTracer("test");
  /** A root with a child. */
  const traceOnce = (policy: SamplingPolicy | undefined, options: { fails?: boolean } = {}) => {
    const start = policy === undefined ? ROOT_CONTEXT : withSampling(ROOT_CONTEXT, policy);
    const root = tracer.startSpan("root", {}, start);
    const child = tracer.startSpan("child", {}, trace.setSpan(ROOT_CONTEXT, root));
    if (options.fails) child.setStatus({ code: SpanStatusCode.ERROR });
    child.end();
    root.end();
  };
  return { kept, traceOnce };
}

const many = 400;
const perTrace = (spans: readonly ReadableSpan[]) =>
  Map.groupBy(spans, (span) => span.spanContext().traceId);

test("without a policy everything is kept", () => {
  const { kept, traceOnce } = sampled();
  for (let i = 0; i < 10; i++) traceOnce(undefined);
  expect(kept).toHaveLength(20);
});

test.each(["head", "tail"] as const)(
  "decided at the %s, a share is kept, each trace whole",
  (decided) => {
    const { kept, traceOnce } = sampled();
    for (let i = 0; i < many; i++) traceOnce({ decided, ratio: 0.25 });
    const traces = perTrace(kept);
    // Six standard deviations around a hundred.
    expect(traces.size).toBeGreaterThan(48);
    expect(traces.size).toBeLessThan(152);
    expect([...traces.values()].every((spans) => spans.length === 2)).toBe(true);
  },
);

test("the head drops failures, the tail keeps them all", () => {
  const [head, tail] = [sampled(), sampled()];
  for (let i = 0; i < 20; i++) {
    head.traceOnce({ decided: "head", ratio: 0 }, { fails: true });
    tail.traceOnce({ decided: "tail", ratio: 0 }, { fails: i % 2 === 0 });
  }
  expect(head.kept).toEqual([]);
  expect(perTrace(tail.kept).size).toBe(10);
});

test("a policy holds in its own context only", () => {
  const { kept, traceOnce } = sampled();
  traceOnce({ decided: "head", ratio: 0 });
  traceOnce(undefined);
  expect(perTrace(kept).size).toBe(1);
});
