import fc from "fast-check";
import { expect, test } from "vitest";
import { rowHeightPx, sliceOf } from "./slice.ts";

test("every row in sight is drawn, in a slot of its own, and few more", () => {
  fc.assert(
    fc.property(
      fc.nat(200_000),
      fc.nat(),
      fc.integer({ min: 24, max: 2000 }),
      (count, seed, height) => {
        const scrollTop = seed % Math.max(1, count * rowHeightPx - height);
        const slice = sliceOf(count, scrollTop, height);
        const drawn = new Set(slice.map(({ at }) => at));
        const first = Math.floor(scrollTop / rowHeightPx);
        const last = Math.min(count - 1, Math.floor((scrollTop + height - 1) / rowHeightPx));
        for (let at = first; at <= last; at++) expect(drawn).toContain(at);
        expect(new Set(slice.map(({ slot }) => slot)).size).toBe(slice.length);
        expect(slice.length).toBeLessThanOrEqual(height / rowHeightPx + 20);
      },
    ),
  );
});

test("scrolling by one row keeps every row but one in its slot", () => {
  const slots = (scrollTop: number) =>
    new Map(sliceOf(1000, scrollTop, 480).map(({ at, slot }) => [at, slot]));
  const before = slots(4800);
  const after = slots(4800 + rowHeightPx);
  const kept = [...after].filter(([at, slot]) => before.get(at) === slot);
  expect(kept).toHaveLength(after.size - 1);
});
