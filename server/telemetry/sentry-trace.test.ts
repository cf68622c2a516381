import { defaultTextMapGetter, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { sentryTracePropagator } from "./sentry-trace.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const extract = (value: string | string[], context = ROOT_CONTEXT) =>
  trace.getSpanContext(
    sentryTracePropagator.extract(context, { "sentry-trace": value }, defaultTextMapGetter),
  );

test.each([`${traceId}-${spanId}-1`, `${traceId}-${spanId}`, [`${traceId}-${spanId}-0`]])(
  "%s is continued",
  (value) => {
    expect(extract(value)).toMatchObject({ traceId, spanId, isRemote: true, traceFlags: 1 });
  },
);

test.each([
  "",
  "x",
  `${"0".repeat(32)}-${spanId}-1`,
  `${traceId}-${"0".repeat(16)}`,
  `${traceId}`,
  `${traceId}-${spanId}-2`,
])("%j starts a new trace", (value) => {
  expect(extract(value)).toBeUndefined();
});

test("a trace that is known already wins", () => {
  const known = { traceId: "f".repeat(32), spanId: "e".repeat(16), traceFlags: 1 };
  const context = trace.setSpanContext(ROOT_CONTEXT, known);
  expect(extract(`${traceId}-${spanId}-1`, context)).toBe(known);
});
