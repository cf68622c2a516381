import type { Comparison } from "#scenarios/span-selector.ts";
import { referencesIn } from "./placeholders.ts";
import type { Problem } from "./problem.ts";

/** Comparisons by what they are about; those that are not there are left out. */
type Named = Readonly<Record<string, Comparison | undefined>>;

const present = (named: Named): [string, Comparison][] =>
  Object.entries(named).flatMap(([key, comparison]) =>
    comparison === undefined ? [] : [[key, comparison]],
  );

/** Comparisons that nothing, or everything, meets. */
export function comparable(path: string, named: Named): Problem[] {
  return present(named).flatMap(([key, comparison]) => {
    if (typeof comparison !== "object") return [];
    const at = `${path}.${key}`;
    const problems: Problem[] = [];
    const { exists, ...rest } = comparison;
    if (Object.keys(comparison).length === 0) {
      problems.push({ path: at, message: "is empty: it compares with nothing" });
    }
    if (comparison.in?.length === 0) {
      problems.push({ path: `${at}.in`, message: "is empty: nothing is among no values" });
    }
    if (exists === false && Object.keys(rest).length > 0) {
      problems.push({ path: at, message: "compares the value of something that must not exist" });
    }
    if (lowerLimit(comparison) > upperLimit(comparison) || isStrictlyEmpty(comparison)) {
      problems.push({ path: at, message: "has a lower bound above its upper bound" });
    }
    return problems;
  });
}

/** Durations: any number from 0 up. */
export function amounts(path: string, named: Named): Problem[] {
  return [
    ...comparable(path, named),
    ...present(named).flatMap(([key, comparison]) =>
      upperLimit(comparison) < 0 ||
      (typeof comparison === "object" && typeof comparison.lt === "number" && comparison.lt <= 0)
        ? [{ path: `${path}.${key}`, message: "can only be met by a number below 0" }]
        : [],
    ),
  ];
}

/** Counts: whole numbers from 0 up. */
export function quantities(path: string, named: Named): Problem[] {
  return [
    ...amounts(path, named),
    ...present(named).flatMap(([key, comparison]) => {
      const at = `${path}.${key}`;
      const exact = typeof comparison === "object" ? comparison.eq : comparison;
      if (typeof exact === "number" && !Number.isInteger(exact)) {
        return [{ path: at, message: `${exact} is not a whole number` }];
      }
      if (typeof exact === "boolean") return [{ path: at, message: "a count is a number" }];
      if (typeof exact === "string" && referencesIn(exact).names.length === 0) {
        return [{ path: at, message: `"${exact}" is text, and a count is a number` }];
      }
      if (typeof comparison === "object" && comparison.matches !== undefined) {
        return [{ path: at, message: "a count is a number and matches no pattern" }];
      }
      if (typeof comparison === "object" && comparison.exists !== undefined) {
        return [{ path: at, message: "a count always exists" }];
      }
      return [];
    }),
  ];
}

const numberOr = (bound: unknown, other: number): number =>
  typeof bound === "number" ? bound : other;

/** The largest number that may meet it; infinite where nothing bounds it. */
export function upperLimit(comparison: Comparison): number {
  if (typeof comparison !== "object") return numberOr(comparison, Infinity);
  const { eq, lt, lte } = comparison;
  return Math.min(numberOr(eq, Infinity), numberOr(lt, Infinity), numberOr(lte, Infinity));
}

function lowerLimit(comparison: Comparison): number {
  if (typeof comparison !== "object") return numberOr(comparison, -Infinity);
  const { eq, gt, gte } = comparison;
  return Math.max(numberOr(eq, -Infinity), numberOr(gt, -Infinity), numberOr(gte, -Infinity));
}

/** `gt: 5, lte: 5` and the like: the bounds touch and one of them is open. */
function isStrictlyEmpty(comparison: Exclude<Comparison, string | number | boolean>): boolean {
  const limit = upperLimit(comparison);
  if (limit !== lowerLimit(comparison)) return false;
  return comparison.lt === limit || comparison.gt === limit;
}
