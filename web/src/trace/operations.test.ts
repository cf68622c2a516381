import { expect, test } from "vitest";
import { traceOf } from "./fixture.ts";
import { pairOperations } from "./operations.ts";

const pairs = (...sides: Parameters<typeof pairOperations>) =>
  pairOperations(...sides).map(({ name, depth, left, right, change }) => [
    ...[name, depth, left?.count ?? 0, right?.count ?? 0, change],
  ]);

const fault = traceOf(
  { id: "r", name: "click", from: 0, to: 100 },
  { id: "g", parent: "r", name: "GET", from: 0, to: 90 },
  { id: "a", parent: "g", name: "SELECT", from: 0, to: 10 },
  { id: "b", parent: "g", name: "SELECT", from: 10, to: 20 },
  { id: "o", parent: "r", name: "SELECT", from: 90, to: 95 },
);
const fix = traceOf(
  { id: "r", name: "click", from: 0, to: 100 },
  { id: "g", parent: "r", name: "GET", from: 0, to: 40 },
  { id: "j", parent: "g", name: "JOIN", from: 0, to: 10 },
  { id: "o", parent: "r", name: "SELECT", from: 90, to: 95.5 },
);

test("trees are laid over each other by name and path: equal names elsewhere stay apart", () => {
  expect(pairs(fault, fix)).toEqual([
    ["click", 0, 1, 1, "same"],
    ["GET", 1, 1, 1, "faster"],
    ["SELECT", 2, 2, 0, "removed"],
    ["JOIN", 2, 0, 1, "added"],
    ["SELECT", 1, 1, 1, "same"],
  ]);
});

test("a place that occurs more or less often says so", () => {
  const one = traceOf({ id: "a", name: "work", from: 0, to: 1 });
  const two = traceOf(
    { id: "a", name: "work", from: 0, to: 1 },
    { id: "b", name: "work", from: 1, to: 2, failed: true },
  );
  expect(pairs(one, two)).toEqual([["work", 0, 1, 2, "more"]]);
  expect(pairs(two, one)).toEqual([["work", 0, 2, 1, "fewer"]]);
  expect(pairOperations(one, two)[0]?.right).toEqual({ count: 2, failed: 1, totalMs: 2 });
});

test("a trace that is not there leaves everything removed", () => {
  expect(pairs(traceOf({ id: "a", name: "work", from: 0, to: 1 }), undefined)).toEqual([
    ["work", 0, 1, 0, "removed"],
  ]);
});
