import { expect, test } from "vitest";
import type { Comparison } from "#scenarios/span-selector.ts";
import { labelMeets, meets } from "./compare.ts";

test.each<[boolean, Comparison, unknown]>([
  [true, 5, 5],
  [false, 5, "5"],
  [false, "5", 5],
  [true, false, false],
  [false, false, undefined],
  [true, { eq: "a" }, "a"],
  [true, { ne: "a" }, "b"],
  [false, { ne: "a" }, "a"],
  [false, { ne: "a" }, undefined],
  [true, { gt: 1, lt: 3 }, 2],
  [false, { gt: 2 }, 2],
  [true, { gte: 2 }, 2],
  [false, { lt: 2 }, 2],
  [true, { lte: 2 }, 2],
  [false, { gte: 2 }, "3"],
  [false, { gte: "${params.x}" }, 3],
  [false, { gt: 1 }, Number.NaN],
  [true, { in: ["a", 1] }, 1],
  [false, { in: [] }, 1],
  [true, { matches: "^a" }, "abc"],
  [false, { matches: "^a" }, 5],
  [false, { matches: "(" }, "("],
  [true, { exists: true }, null],
  [false, { exists: true }, undefined],
  [true, { exists: false }, undefined],
  [false, { exists: false }, "a"],
  [false, { exists: false, eq: "a" }, undefined],
  [true, "b", ["a", "b"]],
  [false, { ne: "b" }, ["a", "b"]],
  [true, { gt: 1 }, [1, 2]],
])("%o: %o is met by %o", (met, comparison, seen) => {
  expect(meets(comparison, seen)).toBe(met);
});

test.each<[boolean, Comparison, string | undefined]>([
  [true, 200, "200"],
  [true, true, "true"],
  [true, { gte: 500, lt: 600 }, "503"],
  [false, { gte: 500 }, "x"],
  [true, { in: [200, 201] }, "201"],
  [true, { ne: 200 }, "201"],
  [false, { ne: 200 }, undefined],
  [true, { exists: false }, undefined],
  [false, 200, undefined],
])("%o: label %o is met by %o", (met, comparison, seen) => {
  expect(labelMeets(comparison, seen)).toBe(met);
});
