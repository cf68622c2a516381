import fc from "fast-check";
import { expect, test } from "vitest";
import { clampWindow, placeOf, shareOf, ticks, wholeOf, zoom } from "./time-scale.ts";

test("a moment's share is 0 at the window's start and 1 at its end", () => {
  const window = { fromMs: 10, toMs: 30 };
  expect([0, 10, 20, 30, 40].map((at) => shareOf(window, at))).toEqual([-0.5, 0, 0.5, 1, 1.5]);
});

test("a stretch is cut at the edges of the window, and has no place outside of it", () => {
  const window = { fromMs: 10, toMs: 30 };
  expect(placeOf(window, { fromMs: 15, toMs: 20 })).toEqual({
    left: "25%",
    width: "25%",
    right: "50%",
  });
  expect(placeOf(window, { fromMs: 0, toMs: 90 })).toEqual({
    left: "0%",
    width: "100%",
    right: "100%",
  });
  expect(placeOf(window, { fromMs: 30, toMs: 30 })).toEqual({
    left: "100%",
    width: "0%",
    right: "100%",
  });
  expect(placeOf(window, { fromMs: 0, toMs: 9 })).toBeUndefined();
  expect(placeOf(window, { fromMs: 31, toMs: 40 })).toBeUndefined();
});

test("a trace without length still has a window", () => {
  expect(shareOf(wholeOf(0), 0)).toBe(0);
});

test("zooming keeps the moment under the pointer in place", () => {
  const window = { fromMs: 20, toMs: 60 };
  const pivot = 20 + 40 * 0.25;
  const next = zoom(window, 0.5, 0.25, 100);
  expect(next).toEqual({ fromMs: 25, toMs: 45 });
  expect(shareOf(next, pivot)).toBe(0.25);
});

test("a window never leaves the trace and never turns round", () => {
  const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(
      number,
      number,
      fc.double({ min: 0, max: 1e5, noNaN: true }),
      (fromMs, toMs, duration) => {
        const window = clampWindow({ fromMs, toMs }, duration);
        expect(window.fromMs).toBeGreaterThanOrEqual(0);
        expect(window.toMs).toBeLessThanOrEqual(wholeOf(duration).toMs + 1e-9);
        expect(window.toMs).toBeGreaterThan(window.fromMs);
      },
    ),
  );
});

test("ticks are round, inside the window and no more than asked for", () => {
  expect(ticks({ fromMs: 0, toMs: 616 }, 5)).toEqual([0, 200, 400, 600]);
  expect(ticks({ fromMs: 0, toMs: 1 }, 2)).toEqual([0, 0.5, 1]);
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1e5, noNaN: true }),
      fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      fc.integer({ min: 1, max: 12 }),
      (fromMs, width, most) => {
        expect(ticks({ fromMs, toMs: fromMs + width }, most).length).toBeLessThanOrEqual(most + 1);
      },
    ),
  );
});
