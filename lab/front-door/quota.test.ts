import { expect, test } from "vitest";
import { openQuota } from "./quota.ts";

const limits = { requestsPerSecond: 10, bytesPerSecond: 1000, burstSeconds: 2 };

test("a burst passes, then it says when to come again, and then it passes", () => {
  let time = 0;
  const quota = openQuota(limits, () => time);
  for (let i = 0; i < 20; i += 1) expect(quota.take(1)).toBe(0);
  expect(quota.take(1)).toBe(100);
  time += 99;
  expect(quota.take(1)).toBeGreaterThan(0);
  time += 1;
  expect(quota.take(1)).toBe(0);
});

test("bytes count as well as requests, and a refusal costs nothing", () => {
  let time = 0;
  const quota = openQuota(limits, () => time);
  expect(quota.take(1900)).toBe(0);
  expect(quota.take(600)).toBe(500);
  expect(quota.take(600)).toBe(500);
  expect(quota.take(100)).toBe(0);
  time += 600;
  expect(quota.take(600)).toBe(0);
});

test("a long silence gives one burst, not more", () => {
  let time = 0;
  const quota = openQuota(limits, () => time);
  time += 3_600_000;
  const passed = Array.from({ length: 100 }, () => quota.take(0)).filter((wait) => wait === 0);
  expect(passed).toHaveLength(20);
});
