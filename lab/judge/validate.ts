import * as v from "valibot";
import type { Scenario } from "#scenarios/define.ts";
import type { Mode } from "#scenarios/mode.ts";
import { expectationSchema } from "./expectation-schema.ts";
import { impossibleIn } from "./impossible.ts";
import { holdsIn } from "./judge.ts";
import type { Problem } from "./problem.ts";

/**
 * Everything that is wrong with a scenario's expectations: unknown keys, missing `why` or `hint`,
 * unknown parameters and modes, and what can never be met or never be broken. Empty when it is fit
 * to be judged.
 */
export function validateScenario(scenario: Scenario): readonly Problem[] {
  const problems = scenario.expect.flatMap((expectation, index) => {
    const path = `expect[${index}]`;
    const shape = shapeProblems(expectation, path);
    // On data of the wrong shape the deeper checks would stumble.
    return shape.length > 0 ? shape : impossibleIn(expectation, path, scenario);
  });
  const judged: readonly Mode[] = ["fault", "fix"];
  const silent = judged.filter(
    (mode) =>
      scenario.modes.includes(mode) &&
      !scenario.expect.some((expectation) => holdsIn(expectation, mode)),
  );
  return [
    ...problems,
    ...silent.map((mode) => ({
      path: "expect",
      message: `nothing is expected in mode ${mode}: it would pass whatever happens`,
    })),
  ];
}

function shapeProblems(expectation: unknown, path: string): readonly Problem[] {
  const result = v.safeParse(expectationSchema, expectation);
  if (result.success) return [];
  return deepest(result.issues).map(({ keys, issue }) => ({
    path: [path, ...keys].join("."),
    message: messageOf(issue),
  }));
}

type Issue = v.BaseIssue<unknown>;

interface Placed {
  readonly keys: readonly string[];
  readonly issue: Issue;
}

/** A union only reports that no option fits; the issues of the option that came furthest say why. */
function deepest(issues: readonly Issue[], outer: readonly string[] = []): readonly Placed[] {
  return issues.flatMap((issue) => {
    // Inside a union, paths start anew at the union's own place.
    const keys = [...outer, ...(issue.path?.map(({ key }) => String(key)) ?? [])];
    const inner = issue.issues?.filter((one) => one.path);
    return inner && inner.length > 0 ? deepest(inner, keys) : [{ keys, issue }];
  });
}

function messageOf(issue: Issue): string {
  const key = issue.path?.at(-1)?.key;
  if (issue.type === "strict_object" && issue.expected === "never") {
    return `unknown key ${String(key)}`;
  }
  if (issue.received === "undefined") return "is missing";
  return issue.kind === "validation"
    ? issue.message
    : `must be ${issue.expected}, is ${issue.received}`;
}

/**
 * Line, from 1, on which an expectation starts to be written in its scenario's source: the n-th
 * `signal:`. Undefined when the source makes its expectations in another way.
 */
export function lineOfExpectation(
  source: string,
  scenario: Scenario,
  index: number,
): number | undefined {
  const starts = [...source.matchAll(/\bsignal:\s*"/g)];
  const start = starts[index];
  if (!start || starts.length !== scenario.expect.length) return undefined;
  return source.slice(0, start.index).split("\n").length;
}
