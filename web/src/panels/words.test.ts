import { expect, test } from "vitest";
import type { Check } from "#lab/api/checks.ts";
import { integer } from "#scenarios/param-spec.ts";
import { sentenceOf, wordingOfParam } from "./words.ts";

const check = (index: number, changes: Partial<Check> = {}): Check => ({
  index,
  title: `check ${index}`,
  signal: "span",
  state: "pass",
  why: "",
  hint: "",
  ...changes,
});

test("a failed run says how many checks failed and what the first one saw", () => {
  const checks = [
    check(0),
    check(1, { state: "fail", seen: "21 spans" }),
    check(2, { state: "fail" }),
  ];
  expect(sentenceOf({ state: "settled", verdict: "fail", checks })).toBe(
    "Failed: 2 of 3 checks: 21 spans.",
  );
});

test("a run that is under way promises nothing", () => {
  const run = { verdict: "fail", checks: [check(0, { state: "fail" })] } as const;
  expect(sentenceOf({ state: "driving", ...run })).toContain("is coming in");
  expect(sentenceOf({ state: "settling", ...run })).toContain("may still arrive");
});

test("a run whose driver vanished says so before its verdict", () => {
  expect(sentenceOf({ state: "abandoned", verdict: "inconclusive", checks: [] })).toMatch(
    /^Abandoned: the page or program that drove it went away before the end\. Not judged/,
  );
  expect(sentenceOf({ state: "expired", verdict: "pass", checks: [check(0)] })).toBe(
    "Its time ran out before the driver reported the end. Passed: 1 of 1 check.",
  );
});

test("a source that did not answer is told as what keeps the verdict away", () => {
  const checks = [
    check(0),
    check(1, { state: "inconclusive", seen: "the source of metrics did not answer" }),
  ];
  expect(sentenceOf({ state: "settled", verdict: "inconclusive", checks })).toBe(
    "Not judged: 1 of 2 checks: the source of metrics did not answer.",
  );
});

test("a parameter is told by its label and with its unit, and by its name where the scenario is gone", () => {
  const hold = integer({ label: "Row is held", min: 1, max: 9, default: 5, unit: "ms" });
  expect(wordingOfParam({ params: { holdMs: hold } }, "holdMs", 5)).toEqual({
    label: "Row is held",
    value: "5 ms",
  });
  expect(wordingOfParam(undefined, "holdMs", 5)).toEqual({ label: "holdMs", value: "5" });
});
