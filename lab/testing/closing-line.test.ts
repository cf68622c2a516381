import { expect, test } from "vitest";
import { closingLine, noTests, succeeded, sum } from "./closing-line.ts";

test("names what passed and what failed", () => {
  expect(closingLine({ passed: 12, failed: 1, skipped: 0 })).toBe("12 passed, 1 failed");
});

test("names skipped tests only where there are some", () => {
  expect(closingLine({ passed: 2, failed: 0, skipped: 3 })).toBe("2 passed, 0 failed, 3 skipped");
});

test("adds up the parts of a run", () => {
  const parts = [
    { passed: 4, failed: 0, skipped: 1 },
    { passed: 8, failed: 2, skipped: 0 },
  ];
  expect(sum(parts)).toEqual({ passed: 12, failed: 2, skipped: 1 });
});

test("one failure, or nothing run at all, is no success", () => {
  expect(succeeded({ passed: 3, failed: 0, skipped: 1 })).toBe(true);
  expect(succeeded({ passed: 3, failed: 1, skipped: 0 })).toBe(false);
  expect(succeeded({ passed: 0, failed: 0, skipped: 5 })).toBe(false);
  expect(succeeded(noTests)).toBe(false);
});
