import { expect, test } from "vitest";
import type { Check, CheckState } from "#lab/api/checks.ts";
import { outcomeOf } from "./run-outcome.ts";

const check = (state: CheckState, index: number): Check => ({
  ...{ index, state, title: "one span", signal: "span", why: "It is.", hint: "Look." },
});
const outcome = (verdict: CheckState, ...states: CheckState[]) =>
  outcomeOf({ verdict, checks: states.map(check) });

test("the exit code follows the verdict", () => {
  expect(outcome("pass", "pass").exitCode).toBe(0);
  expect(outcome("fail", "fail").exitCode).toBe(1);
  expect(outcome("inconclusive", "inconclusive").exitCode).toBe(2);
  expect(outcome("pending", "pending").exitCode).toBe(2);
  expect(outcome("not-applicable").exitCode).toBe(2);
  expect(outcome("declared", "declared").exitCode).toBe(2);
});

test("the words count the checks that decided it", () => {
  expect(outcome("pass", "pass", "pass").words).toBe("Passed: 2 of 2 checks.");
  expect(outcome("fail", "fail", "pass", "inconclusive").words).toBe("Failed: 1 of 3 checks.");
  expect(outcome("inconclusive", "inconclusive").words).toContain("1 of 1 check,");
});
