import fc from "fast-check";
import { expect, test } from "vitest";
import { patternOf } from "./pattern.ts";

const finds = (source: string, text: string): boolean => {
  const pattern = patternOf(source);
  if (!pattern.ok) throw new Error(`${source}: ${pattern.problem}`);
  return pattern.test(text);
};

test.each([
  ["SELECT", "a SELECT b"],
  ["^SELECT \\w+$", "SELECT orders"],
  ["a|b|", ""],
  ["(?:GET|POST) /api", "POST /api"],
  ["[^a-c\\d_-]x", "zx"],
  ["x{2,3}y", "xxxxy"],
  ["x{2}$", "x"],
  ["\\bhit\\b", "a hit, b"],
  ["a\\Bb", "ab"],
  ["\\$\\{\\x41\\u0042\\}", "${AB}"],
  ["[\\]\\-x]+", "]-x"],
  ["[a-]", "-"],
  ["a.c", "a\nc"],
  ["^(a?){3}$", "aa"],
  ["\\s\\S\\D\\W", " a- "],
  ["{x}", "{x}"],
])("/%s/ means on %o what it means to JavaScript", (source, text) => {
  expect(finds(source, text)).toBe(new RegExp(source).test(text));
});

const atom = fc.constantFrom(
  "a",
  "b",
  ".",
  "[ab]",
  "[^a]",
  "\\w",
  "\\b",
  "^",
  "$",
  "(?:a|b)",
  "(b|)",
);
const piece = fc
  .tuple(atom, fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,2}", "{2,}", "+?"))
  .map(([unit, times]) => (/^(\^|\$|\\b)$/.test(unit) ? unit : unit + times));
const source = fc
  .array(
    fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join("")),
    {
      minLength: 1,
      maxLength: 2,
    },
  )
  .map((options) => options.join("|"));

test("random patterns find what JavaScript's own engine finds", () => {
  fc.assert(
    fc.property(
      source,
      fc.string({ unit: fc.constantFrom("a", "b", " "), maxLength: 6 }),
      (it, text) => {
        expect(finds(it, text)).toBe(new RegExp(it).test(text));
      },
    ),
    { numRuns: 3000 },
  );
});

test.each([
  ["(a+)+", "an unlimited quantifier inside another"],
  ["(?:a|b*)*", "an unlimited quantifier inside another"],
  ["(x{2,}y)+", "an unlimited quantifier inside another"],
  ["(?=a)", "look-around and named groups are not supported"],
  ["(a)\\1", "back-references are not supported"],
  ["a{1000}", "a quantifier above 100"],
  ["((a{100}){100}){100}", "too many repetitions"],
  ["a{2,1}", "a quantifier whose limits are swapped"],
  ["a**", "two quantifiers in a row"],
  ["*", "nothing before * to repeat"],
  ["^*", "a quantifier after an anchor"],
  ["(a", "a ( without its )"],
  ["a)", "a ) without its ("],
  ["[a", "a [ without its ]"],
  ["[b-a]", "a range whose ends are swapped"],
  ["a\\", "a \\ at the end"],
  ["\\p{L}", "\\p is not supported"],
  ["a".repeat(201), "longer than 200 characters"],
])("refuses %s", (it, problem) => {
  expect(patternOf(it)).toEqual({ ok: false, problem });
});

test("takes linear time where a backtracking engine takes for ever", () => {
  const before = process.threadCpuUsage();
  expect(finds("a*a*a*a*a*a*a*b", "a".repeat(20_000))).toBe(false);
  const { user } = process.threadCpuUsage(before);
  expect(user / 1000).toBeLessThan(500);
});
