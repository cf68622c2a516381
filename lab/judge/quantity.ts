import type { Verdict } from "#lab/api/checks.ts";
import type { Comparison } from "#scenarios/span-selector.ts";
import { meets } from "./compare.ts";

export interface Growth {
  readonly settled: boolean;
  /** More evidence can only raise the quantity. */
  readonly grows: boolean;
}

/**
 * Judges a quantity while evidence still comes in. Before the run has settled, a lower bound that
 * is met stays met, and an upper bound that is broken stays broken; everything else waits.
 */
export function decide(comparison: Comparison, seen: number, { settled, grows }: Growth): Verdict {
  const met = meets(comparison, seen);
  if (settled) return met ? "pass" : "fail";
  if (!grows) return "pending";
  if (met && isLowerBound(comparison)) return "pass";
  return seen > highest(comparison) || isStrictlyReached(comparison, seen) ? "fail" : "pending";
}

/** For something that is either there or not yet. */
export const decideBoolean = (holds: boolean, { settled, grows }: Growth): Verdict => {
  if (settled) return holds ? "pass" : "fail";
  return holds && grows ? "pass" : "pending";
};

function isLowerBound(comparison: Comparison): boolean {
  if (typeof comparison !== "object") return false;
  return Object.entries(comparison).every(
    ([key, bound]) => bound === undefined || key === "gt" || key === "gte",
  );
}

/** The largest quantity that can still meet the comparison. */
export function highest(comparison: Comparison): number {
  if (typeof comparison !== "object") return numberOr(comparison, Infinity);
  const { eq, lt, lte, in: options } = comparison;
  return Math.min(
    numberOr(eq, Infinity),
    numberOr(lt, Infinity),
    numberOr(lte, Infinity),
    ...(options ? [Math.max(...options.map((option) => numberOr(option, Infinity)))] : []),
  );
}

const isStrictlyReached = (comparison: Comparison, seen: number): boolean =>
  typeof comparison === "object" && typeof comparison.lt === "number" && seen >= comparison.lt;

const numberOr = (value: unknown, other: number): number =>
  typeof value === "number" ? value : other;
