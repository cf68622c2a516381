import { expect, test } from "vitest";
import { operationsOf, pairOperations } from "./operations.ts";
import type { TraceSpan } from "./trace.ts";

const span = (name: string, more: Partial<TraceSpan> = {}) =>
  ({ name, hue: "lab-server", startMs: 0, endMs: 2, failed: false, ...more }) as TraceSpan;

test("spans of one name and one colour are one operation", () => {
  const found = operationsOf({
    spans: [span("a"), span("a", { endMs: 5, failed: true }), span("a", { hue: "postgresql" })],
  });
  expect([...found.values()]).toEqual([
    { name: "a", hue: "lab-server", count: 2, failed: 1, totalMs: 7 },
    { name: "a", hue: "postgresql", count: 1, failed: 0, totalMs: 2 },
  ]);
  expect(operationsOf(undefined).size).toBe(0);
});

test("what differs most comes first, and what is missing on one side is null there", () => {
  const many = operationsOf({
    spans: [span("same"), ...Array.from({ length: 9 }, () => span("query"))],
  });
  const one = operationsOf({ spans: [span("same"), span("query"), span("join")] });
  const pairs = pairOperations(many, one);
  expect(pairs.map(({ name, left, right }) => [name, left?.count, right?.count])).toEqual([
    ["query", 9, 1],
    ["join", undefined, 1],
    ["same", 1, 1],
  ]);
});
