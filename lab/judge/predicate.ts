import { describeComparison } from "#scenarios/describe.ts";
import type { AttributeComparisons, Comparison } from "#scenarios/span-selector.ts";
import { meets } from "./compare.ts";
import type { Tick } from "./finding.ts";

/** One condition on a thing, able to say what it wanted and what it found. */
export interface Predicate<T> {
  /** Field it looks at. */
  readonly name: string;
  readonly expected: string;
  /** How much it counts when the nearest miss is looked for. */
  readonly weight: number;
  readonly test: (thing: T) => boolean;
  readonly seen: (thing: T) => string;
}

const longestShown = 160;

/** A seen value for people: one line, cut where it gets long. */
export function shown(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const line = text.replace(/\s+/g, " ");
  return line.length > longestShown ? `${line.slice(0, longestShown)}…` : line;
}

/** Compares one value of the thing; `weight` 3 is for what names it. */
export const valuePredicate = <T>(
  name: string,
  comparison: Comparison,
  read: (thing: T) => unknown,
  weight = 1,
): Predicate<T> => ({
  name,
  expected: describeComparison(comparison),
  weight,
  test: (thing) => meets(comparison, read(thing)),
  seen: (thing) => shown(read(thing)),
});

/** One predicate per attribute. */
export const attributePredicates = <T>(
  prefix: string,
  comparisons: AttributeComparisons,
  read: (thing: T, key: string) => unknown,
): readonly Predicate<T>[] =>
  Object.entries(comparisons).map(([key, comparison]) =>
    valuePredicate(`${prefix}.${key}`, comparison, (thing: T) => read(thing, key)),
  );

export const meetsAll = <T>(predicates: readonly Predicate<T>[], thing: T): boolean =>
  predicates.every((predicate) => predicate.test(thing));

export const ticksOf = <T>(predicates: readonly Predicate<T>[], thing: T): readonly Tick[] =>
  predicates.map((predicate) => ({
    predicate: predicate.name,
    expected: predicate.expected,
    seen: predicate.seen(thing),
    ok: predicate.test(thing),
  }));

/** The thing that meets most of the predicates by weight; the first of equals. */
export function nearestOf<T>(
  predicates: readonly Predicate<T>[],
  things: readonly T[],
): T | undefined {
  let nearest: T | undefined;
  let best = -1;
  for (const thing of things) {
    let score = 0;
    for (const predicate of predicates) if (predicate.test(thing)) score += predicate.weight;
    if (score > best) {
      best = score;
      nearest = thing;
    }
  }
  return nearest;
}
