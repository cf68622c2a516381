import { expect, test } from "vitest";
import { changeText, placesOf } from "./metric-change.ts";

const points = (...values: readonly number[]) =>
  values.map((value, index) => ({ at: 1000 + 500 * index, value }));

test.each([
  ["jobs_total", "counter", [3, 53], "+50"],
  ["took_seconds_sum", "histogram", [1, 1.0543], "+54.3 ms"],
  ["took_seconds_count", "histogram", [0, 1200], "+1,200"],
  ["open", "gauge", [2, 5], "2 → 5"],
  ["open", "gauge", [0, 7, 0], "0 → 7 → 0"],
  ["heap_bytes", "gauge", [2 ** 20, 3 * 2 ** 20], "1 MiB → 3 MiB"],
  // Its process was restarted.
  ["jobs_total", "counter", [9, 2], "9 → 2"],
] as const)("%s (%s) that went %j reads %s", (name, type, values, text) => {
  expect(changeText({ name, type, points: points(...values) })).toBe(text);
});

test("readings span the box, in time and in value", () => {
  expect(placesOf(points(0, 4, 2), 1000, 2000)).toEqual([
    { x: 0, y: 1 },
    { x: 0.5, y: 0 },
    { x: 1, y: 0.5 },
  ]);
});
