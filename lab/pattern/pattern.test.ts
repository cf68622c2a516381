import fc from "fast-check";
import { expect, test } from "vitest";
import { compilePattern, PatternTooCostly, patternOf } from "./pattern.ts";

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
  ["((((){100}){100}){100}){100}", "too many repetitions"],
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

/** A pattern with flags `s`, `u` and perhaps `i` that must match the whole text. */
const matches = (it: string, text: string, ignoreCase: boolean): boolean => {
  const pattern = compilePattern(it, { whole: true, dotAll: true, nestedLoops: true, ignoreCase });
  if (!pattern.ok) throw new Error(pattern.problem);
  return pattern.test(text);
};

test.each([
  ["a.c", "a\nc"],
  ["a|bc", "xbc"],
  ["a|bc", "bc"],
  ["[a-c]+X", "aBCx"],
  ["[^a]", "A"],
  ["[^a]", "b"],
  ["\\W", "k"],
  ["(a+)+b", "aaab"],
  ["(a*)*", ""],
  [".", "\u{1f600}"],
  ["[^a]{2}", "\u{1f600}\u{1f600}"],
  ["\u{1f600}+", "\u{1f600}\u{1f600}"],
  ["[\u{1f600}-\u{1f64f}]", "\u{1f601}"],
])("whole, /%s/ means on %o what it means to JavaScript, in either case", (it, text) => {
  for (const flags of ["su", "sui"])
    expect(matches(it, text, flags === "sui"), flags).toBe(
      new RegExp(`^(?:${it})$`, flags).test(text),
    );
});

test("random patterns match as a whole what JavaScript's own engine matches", () => {
  const nested = fc
    .tuple(source, fc.constantFrom("", "*", "+", "?"))
    .map(([it, times]) => `(?:${it})${times}`);
  fc.assert(
    fc.property(
      nested,
      fc.boolean(),
      fc.string({ unit: fc.constantFrom("a", "B", " ", "\n"), maxLength: 6 }),
      (it, ignoreCase, text) => {
        const real = new RegExp(`^(?:${it})$`, ignoreCase ? "si" : "s");
        expect(matches(it, text, ignoreCase)).toBe(real.test(text));
      },
    ),
    { numRuns: 3000 },
  );
});

test("a test stops when the work it was given is used up", () => {
  const pattern = compilePattern("(x+x+)+y", { nestedLoops: true });
  if (!pattern.ok) throw new Error(pattern.problem);
  const work = { left: 100_000 };
  expect(pattern.test("x".repeat(1000), work)).toBe(false);
  expect(() => pattern.test("x".repeat(60_000), work)).toThrow(PatternTooCostly);
});
