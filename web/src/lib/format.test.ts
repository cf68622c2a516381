import fc from "fast-check";
import { expect, test } from "vitest";
import { formatCount, formatDuration, formatRate, formatTick, formatWholeMs } from "./format.ts";

test.each([
  [0, "0 ms"],
  [0.0004, "400 ns"],
  [0.0123, "12.3 µs"],
  [0.8424, "842 µs"],
  [0.9996, "1.00 ms"],
  [1.2345, "1.23 ms"],
  [12.345, "12.3 ms"],
  [999.6, "1.00 s"],
  [1204, "1.20 s"],
  [59_400, "59.4 s"],
  [59_999, "1 m 0 s"],
  [125_000, "2 m 5 s"],
  [3_600_000, "1 h 0 m"],
  [200_000_000, "2 d 7 h"],
  [-15, "−15.0 ms"],
])("%s ms reads %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("a duration below a minute has three digits and no exponent", () => {
  fc.assert(
    fc.property(fc.double({ min: 0.001, max: 59_000, noNaN: true }), (ms) => {
      expect(formatDuration(ms)).toMatch(/^(\d\.\d\d|\d\d\.\d|\d\d\d) (ns|µs|ms|s)$/);
    }),
  );
});

test("ticks have as many decimals as tell them apart", () => {
  expect(formatTick(200, 200)).toBe("200 ms");
  expect(formatTick(0.5, 0.5)).toBe("0.5 ms");
  expect(formatTick(0.15, 0.05)).toBe("150 µs");
  expect(formatTick(2000, 1000)).toBe("2 s");
  expect(formatTick(0, 1000)).toBe("0");
  expect(formatTick(500, 500, 1500)).toBe("0.5 s");
  expect(formatTick(1500, 20, 1560)).toBe("1.50 s");
  expect(formatTick(1500, 2, 1506)).toBe("1500 ms");
  expect(formatTick(1.15, 0.05, 1.3)).toBe("1.15 ms");
  expect(formatTick(150, 50, 400)).toBe("150 ms");
});

test("a duration in whole milliseconds shows no digits that nobody measured", () => {
  expect([0, 7, 51, 999, 1234].map(formatWholeMs)).toEqual([
    ...["< 1 ms", "7 ms", "51 ms", "999 ms", "1.23 s"],
  ]);
});

test("counts agree with their noun", () => {
  expect(formatCount(1, "span")).toBe("1 span");
  expect(formatCount(100_000, "span")).toBe("100,000 spans");
});

test.each([
  [2.44, "2.4/s"],
  [0.05, "3.0/min"],
  [0.01, "36/h"],
  [2 / 3600, "2/h"],
  [0, "0/h"],
])("%d per second reads %s", (perSecond, text) => {
  expect(formatRate(perSecond)).toBe(text);
});
