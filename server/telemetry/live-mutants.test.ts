import {
  context,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  SpanStatusCode,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  breakTelemetryOf,
  databaseStatusUnlessDropped,
  isForSentry,
  unlessDropped,
} from "./live-mutants.ts";
import { runBaggageToSpans, withRunBaggage } from "./run-baggage.ts";

const soon = (): number => Date.now() + 60_000;
const runIdOf = (letter: string): string => letter.repeat(26);
const inRun = (runId: string) =>
  withRunBaggage(
    trace.setSpanContext(ROOT_CONTEXT, {
      traceId: "1".repeat(32),
      spanId: "2".repeat(16),
      traceFlags: TraceFlags.SAMPLED,
    }),
    { runId, scenario: "db.test", mode: "fault" },
  );

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager()));
afterAll(() => context.disable());

test("traceparent is lost for the run that is to lose it, and for no other", () => {
  breakTelemetryOf(runIdOf("a"), "drop-traceparent", soon());
  breakTelemetryOf(runIdOf("b"), "silence-sentry", soon());
  const propagator = unlessDropped(new W3CTraceContextPropagator());
  const sent = (runId: string): object => {
    const carrier = {};
    propagator.inject(inRun(runId), carrier, defaultTextMapSetter);
    return carrier;
  };
  expect(sent(runIdOf("a"))).toEqual({});
  expect(sent(runIdOf("b"))).toHaveProperty("traceparent");
  expect(sent(runIdOf("c"))).toHaveProperty("traceparent");
  expect(propagation.getBaggage(inRun(runIdOf("a")))).toBeDefined();
});

test("only database spans of the run lose their status", () => {
  breakTelemetryOf(runIdOf("d"), "drop-database-status", soon());
  const exporter = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({
    spanProcessors: [
      runBaggageToSpans,
      databaseStatusUnlessDropped,
      new SimpleSpanProcessor(exporter),
    ],
  }).getTracer("test");
  const failed = (runId: string, attributes: Record<string, string>): void => {
    const span = tracer.startSpan("x", { attributes }, inRun(runId));
    span.setStatus({ code: SpanStatusCode.ERROR });
    span.end();
  };
  failed(runIdOf("d"), { "db.system.name": "postgresql" });
  failed(runIdOf("d"), {});
  failed(runIdOf("e"), { "db.system.name": "postgresql" });
  expect(exporter.getFinishedSpans().map(({ status }) => status.code)).toEqual([
    SpanStatusCode.UNSET,
    SpanStatusCode.ERROR,
    SpanStatusCode.ERROR,
  ]);
});

test("Sentry hears nothing of the run, by its tag or by the context", () => {
  breakTelemetryOf(runIdOf("f"), "silence-sentry", soon());
  expect(isForSentry(runIdOf("f"))).toBe(false);
  expect(isForSentry(runIdOf("g"))).toBe(true);
  expect(context.with(inRun(runIdOf("f")), () => isForSentry(undefined))).toBe(false);
  expect(context.with(inRun(runIdOf("g")), () => isForSentry(undefined))).toBe(true);
});

test("what is broken mends itself when the ticket is over", () => {
  vi.useFakeTimers();
  try {
    breakTelemetryOf(runIdOf("h"), "silence-sentry", Date.now() + 1000);
    vi.advanceTimersByTime(999);
    expect(isForSentry(runIdOf("h"))).toBe(false);
    vi.advanceTimersByTime(1);
    expect(isForSentry(runIdOf("h"))).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
