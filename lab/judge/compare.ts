import type { Comparison } from "#scenarios/span-selector.ts";
import { patternOf } from "../pattern/pattern.ts";

/**
 * Does a seen value meet a comparison whose placeholders are filled in?
 *
 * Types count: `"200"` is not `200`. A value that is missing (`undefined`) meets `exists: false`
 * only, so `ne` asks for a value that is there and other. A list meets a comparison when one of its
 * elements does, and `ne` when all do.
 */
export function meets(comparison: Comparison, seen: unknown): boolean {
  if (typeof comparison !== "object") return oneOf(seen, (value) => value === comparison);
  const { eq, ne, gt, gte, lt, lte, in: options, matches, exists } = comparison;
  if (seen === undefined) {
    return exists === false && Object.values(comparison).every((bound) => bound === false);
  }
  const bounds = [
    [gt, (value: number, bound: number) => value > bound],
    [gte, (value: number, bound: number) => value >= bound],
    [lt, (value: number, bound: number) => value < bound],
    [lte, (value: number, bound: number) => value <= bound],
  ] as const;
  return (
    (exists === undefined || exists) &&
    (eq === undefined || oneOf(seen, (value) => value === eq)) &&
    (ne === undefined || !oneOf(seen, (value) => value === ne)) &&
    (options === undefined || oneOf(seen, (value) => options.some((option) => option === value))) &&
    (matches === undefined || oneOf(seen, (value) => found(matches, value))) &&
    bounds.every(
      ([bound, holds]) =>
        bound === undefined ||
        // An unknown placeholder leaves text behind, which no number meets.
        (typeof bound === "number" &&
          oneOf(seen, (value) => typeof value === "number" && holds(value, bound))),
    )
  );
}

function oneOf(seen: unknown, test: (value: unknown) => boolean): boolean {
  return Array.isArray(seen) ? seen.some(test) : test(seen);
}

function found(source: string, value: unknown): boolean {
  if (typeof value !== "string") return false;
  const pattern = patternOf(source);
  return pattern.ok && pattern.test(value);
}

/** As {@link meets}, for metric labels, which are text always: `200` means `"200"`. */
export function labelMeets(comparison: Comparison, seen: string | undefined): boolean {
  if (typeof comparison !== "object") return seen === String(comparison);
  const { eq, ne, in: options, gt, gte, lt, lte, ...rest } = comparison;
  const numeric = { ...defined({ gt, gte, lt, lte }) };
  const text = {
    ...rest,
    ...defined({ eq: textOf(eq), ne: textOf(ne), in: options?.map(String) }),
  };
  if (seen === undefined) return meets({ ...text, ...numeric }, undefined);
  return meets(text, seen) && meets(numeric, Number(seen));
}

const textOf = (value: unknown): string | undefined =>
  value === undefined ? undefined : String(value);

/** Drops the keys without a value, so that exact optional types stay exact. */
const defined = <T extends object>(value: T): { [K in keyof T]?: NonNullable<T[K]> } =>
  Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
