import { compilePattern, PatternTooCostly, type Work } from "#lab/pattern/pattern.ts";
import { type FieldExpression, TraceqlError } from "./syntax.ts";

/** What the pattern of one query may cost all in all; about a second. */
const workPerPattern = 30_000_000;
const longestPattern = 1000;

type Matcher = (text: string) => boolean;

/** By the pattern's place in its query: every query has a budget of its own. */
const matchers = new WeakMap<FieldExpression, Matcher>();

/**
 * Compiles the pattern of a checked comparison. Patterns match the whole value, `.` line ends too,
 * as Tempo's do; a leading `(?i)`, `(?s)` or `(?is)` is understood. What cannot be matched in linear
 * time is refused. Throws `TraceqlError`.
 */
export function prepareMatcher(query: string, right: FieldExpression): void {
  if (right.node !== "static" || right.static.type !== "string") return;
  const [, flags = "", body = ""] = /^(?:\(\?([is]+)\))?(.*)$/s.exec(right.static.value) ?? [];
  const pattern = compilePattern(body, {
    longest: longestPattern,
    whole: true,
    dotAll: true,
    ignoreCase: flags.includes("i"),
    nestedLoops: true,
  });
  if (!pattern.ok)
    throw new TraceqlError(query, right.at, `this pattern is refused: ${pattern.problem}`);
  const work: Work = { left: workPerPattern };
  matchers.set(right, (text) => {
    try {
      return pattern.test(text, work);
    } catch (error) {
      if (!(error instanceof PatternTooCostly)) throw error;
      throw new TraceqlError(
        query,
        right.at,
        "this pattern takes too much work on the values it meets; make it simpler, or ask for fewer spans",
      );
    }
  });
}

/** Whether the value matches the pattern that {@link prepareMatcher} compiled. */
export function matchesValue(right: FieldExpression, text: string): boolean {
  const matcher = matchers.get(right);
  if (matcher === undefined) throw new Error("a pattern is matched before it was checked");
  return matcher(text);
}
