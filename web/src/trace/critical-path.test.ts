import { expect, test } from "vitest";
import { criticalPath } from "./critical-path.ts";
import { type SpanSketch, traceOf } from "./fixture.ts";
import { layout } from "./layout.ts";

const pathOf = (...sketches: SpanSketch[]) => {
  const rows = layout(traceOf(...sketches));
  return criticalPath(rows).map(({ row, fromMs, toMs }) => `${rows[row]?.id} ${fromMs}-${toMs}`);
};

test("goes to the child that finished last, and back to the parent in the gaps", () => {
  expect(
    pathOf(
      { id: "root", from: 0, to: 10 },
      { id: "a", parent: "root", from: 1, to: 4 },
      { id: "b", parent: "root", from: 5, to: 9 },
    ),
  ).toEqual(["root 0-1", "a 1-4", "root 4-5", "b 5-9", "root 9-10"]);
});

test("leaves out a child that another one overtook", () => {
  expect(
    pathOf(
      { id: "root", from: 0, to: 10 },
      { id: "short", parent: "root", from: 1, to: 5 },
      { id: "long", parent: "root", from: 1, to: 10 },
    ),
  ).toEqual(["root 0-1", "long 1-10"]);
});

test("nobody waits for what a child does after its parent has ended", () => {
  expect(
    pathOf({ id: "root", from: 0, to: 6 }, { id: "async", parent: "root", from: 2, to: 20 }),
  ).toEqual(["root 0-2", "async 2-6"]);
});

test("covers the longest root without a gap", () => {
  const rows = layout(
    traceOf(
      { id: "other", from: 0, to: 2 },
      { id: "root", from: 1, to: 30 },
      { id: "a", parent: "root", from: 2, to: 12 },
      { id: "b", parent: "a", from: 3, to: 11 },
      { id: "c", parent: "root", from: 8, to: 25 },
    ),
  );
  const path = criticalPath(rows);
  expect(path[0]?.fromMs).toBe(1);
  expect(path.at(-1)?.toMs).toBe(30);
  path.reduce((before, after) => {
    expect(after.fromMs).toBe(before.toMs);
    return after;
  });
});

test("is empty without spans", () => {
  expect(pathOf()).toEqual([]);
});
