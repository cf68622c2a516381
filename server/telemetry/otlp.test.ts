import { ExportResultCode } from "@opentelemetry/core";
import { expect, test } from "vitest";
import { outcomeOf } from "./otlp.ts";

const failed = (code?: number | string) => ({
  code: ExportResultCode.FAILED,
  error: Object.assign(new Error("x"), code === undefined ? {} : { code }),
});

test.each([
  [{ code: ExportResultCode.SUCCESS }, "delivered"],
  [failed(), "retry"],
  [failed("ECONNREFUSED"), "retry"],
  [failed(429), "retry"],
  [failed(502), "retry"],
  [failed(503), "retry"],
  [failed(504), "retry"],
  [failed(400), "rejected"],
  [failed(413), "rejected"],
  [failed(500), "rejected"],
])("%j → %s", (result, outcome) => {
  expect(outcomeOf(result)).toBe(outcome);
});
