/** Tree of a regular expression that can be matched in linear time. */
export type PatternNode =
  | { readonly kind: "unit"; readonly test: (code: number) => boolean }
  | { readonly kind: "assert"; readonly what: "start" | "end" | "word" | "inside" }
  | { readonly kind: "sequence"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "choice"; readonly options: readonly PatternNode[] }
  | {
      readonly kind: "repeat";
      readonly part: PatternNode;
      readonly min: number;
      /** Infinity when there is no upper limit. */
      readonly max: number;
    };

/** What is wrong with a pattern, in words for its author. */
export class PatternProblem extends Error {}

/** How a pattern is to be read; the defaults are those of a JavaScript pattern without flags. */
export interface PatternRules {
  /** Most characters of a pattern. */
  readonly longest: number;
  /** `.` matches line ends, too. */
  readonly dotAll: boolean;
  readonly ignoreCase: boolean;
  /** An unlimited repetition may stand inside another. */
  readonly nestedLoops: boolean;
}
export const defaultRules: PatternRules = {
  longest: 200,
  dotAll: false,
  ignoreCase: false,
  nestedLoops: false,
};

const mostRepeats = 100;

type UnitTest = (code: number) => boolean;
const code = (character: string): number => character.codePointAt(0) ?? 0;
const between =
  (first: number, last: number): UnitTest =>
  (unit) =>
    unit >= first && unit <= last;
const digit = between(code("0"), code("9"));
/** `\w`: also what `\b` looks at. */
export const isWordUnit: UnitTest = (unit) =>
  digit(unit) || (unit >= 65 && unit <= 90) || (unit >= 97 && unit <= 122) || unit === code("_");
const space: UnitTest = (unit) => /\s/.test(String.fromCodePoint(unit));
const not =
  (test: UnitTest): UnitTest =>
  (unit) =>
    !test(unit);
const classes: Readonly<Record<string, UnitTest>> = {
  d: digit,
  D: not(digit),
  w: isWordUnit,
  W: not(isWordUnit),
  s: space,
  S: not(space),
};
const controls: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f", v: "\v" };

/**
 * Parses the part of JavaScript's syntax that RE2 shares: no look-around, no back-references, and
 * no unlimited repetition inside another unless the rules allow it.
 * @throws PatternProblem
 */
export function parsePattern(source: string, rules: PatternRules = defaultRules): PatternNode {
  if (source.length > rules.longest) {
    throw new PatternProblem(`longer than ${rules.longest} characters`);
  }
  const reader: Reader = { source, rules, at: 0 };
  const node = choiceAt(reader);
  if (reader.at < source.length) throw new PatternProblem("a ) without its (");
  return node;
}

interface Reader {
  readonly source: string;
  readonly rules: PatternRules;
  at: number;
}

const peek = (reader: Reader): string | undefined => reader.source[reader.at];

/** The next character as a whole, even when it is a surrogate pair; empty at the end. */
function take(reader: Reader): string {
  const point = reader.source.codePointAt(reader.at);
  const character = point === undefined ? "" : String.fromCodePoint(point);
  reader.at += character.length;
  return character;
}

/** The test as the rules want it: with `ignoreCase` the other case of a character passes, too. */
function cased({ rules }: Reader, test: UnitTest): UnitTest {
  if (!rules.ignoreCase) return test;
  return (unit) => {
    if (test(unit)) return true;
    const text = String.fromCodePoint(unit);
    return test(code(text.toLowerCase())) || test(code(text.toUpperCase()));
  };
}

function accept(reader: Reader, text: string): boolean {
  const here = reader.source.startsWith(text, reader.at);
  if (here) reader.at += text.length;
  return here;
}

function choiceAt(reader: Reader): PatternNode {
  const options = [sequenceAt(reader)];
  while (accept(reader, "|")) options.push(sequenceAt(reader));
  return options.length === 1 && options[0] ? options[0] : { kind: "choice", options };
}

function sequenceAt(reader: Reader): PatternNode {
  const parts: PatternNode[] = [];
  for (let next = peek(reader); next !== undefined && next !== "|" && next !== ")"; ) {
    parts.push(repeatAt(reader, atomAt(reader)));
    next = peek(reader);
  }
  return { kind: "sequence", parts };
}

function repeatAt(reader: Reader, part: PatternNode): PatternNode {
  const limits = limitsAt(reader);
  if (!limits) return part;
  accept(reader, "?");
  if (limitsAt(reader)) throw new PatternProblem("two quantifiers in a row");
  if (part.kind === "assert") throw new PatternProblem("a quantifier after an anchor");
  if (limits.max === Infinity && !reader.rules.nestedLoops && repeatsForever(part)) {
    throw new PatternProblem("an unlimited quantifier inside another");
  }
  if (limits.min > limits.max) throw new PatternProblem("a quantifier whose limits are swapped");
  if (limits.min > mostRepeats || (limits.max !== Infinity && limits.max > mostRepeats)) {
    throw new PatternProblem(`a quantifier above ${mostRepeats}`);
  }
  return { kind: "repeat", part, ...limits };
}

function limitsAt(reader: Reader): { min: number; max: number } | undefined {
  if (accept(reader, "*")) return { min: 0, max: Infinity };
  if (accept(reader, "+")) return { min: 1, max: Infinity };
  if (accept(reader, "?")) return { min: 0, max: 1 };
  const counted = /^\{(\d+)(,(\d*))?\}/.exec(reader.source.slice(reader.at));
  if (!counted) return undefined;
  reader.at += counted[0].length;
  const min = Number(counted[1]);
  if (counted[2] === undefined) return { min, max: min };
  return { min, max: counted[3] ? Number(counted[3]) : Infinity };
}

function repeatsForever(node: PatternNode): boolean {
  switch (node.kind) {
    case "unit":
    case "assert":
      return false;
    case "sequence":
      return node.parts.some(repeatsForever);
    case "choice":
      return node.options.some(repeatsForever);
    case "repeat":
      return node.max === Infinity || repeatsForever(node.part);
  }
}

function atomAt(reader: Reader): PatternNode {
  const character = take(reader);
  switch (character) {
    case "^":
      return { kind: "assert", what: "start" };
    case "$":
      return { kind: "assert", what: "end" };
    case ".":
      return {
        kind: "unit",
        test: reader.rules.dotAll ? () => true : (unit) => !lineEnds.has(unit),
      };
    case "(":
      return groupAt(reader);
    case "[":
      return { kind: "unit", test: classAt(reader) };
    case "*":
    case "+":
    case "?":
      throw new PatternProblem(`nothing before ${character} to repeat`);
    case "\\":
      if (accept(reader, "b")) return { kind: "assert", what: "word" };
      if (accept(reader, "B")) return { kind: "assert", what: "inside" };
      return { kind: "unit", test: escapeAt(reader) };
  }
  const wanted = code(character);
  return { kind: "unit", test: cased(reader, (unit) => unit === wanted) };
}

/** What `.` leaves out: line feed, carriage return, line and paragraph separator. */
const lineEnds: ReadonlySet<number> = new Set([0x0a, 0x0d, 0x2028, 0x2029]);

function groupAt(reader: Reader): PatternNode {
  if (!accept(reader, "?:") && peek(reader) === "?") {
    throw new PatternProblem("look-around and named groups are not supported");
  }
  const node = choiceAt(reader);
  if (!accept(reader, ")")) throw new PatternProblem("a ( without its )");
  return node;
}

/** After the backslash: a class such as `\d`, or one character. */
function escapeAt(reader: Reader): UnitTest {
  const kind = classes[peek(reader) ?? ""];
  if (kind) {
    reader.at++;
    return kind;
  }
  const wanted = code(escapedAt(reader));
  return cased(reader, (unit) => unit === wanted);
}

function escapedAt(reader: Reader): string {
  const character = take(reader);
  if (character === "") throw new PatternProblem("a \\ at the end");
  const control = controls[character];
  if (control !== undefined) return control;
  if (character === "x" || character === "u") {
    const digits = character === "x" ? 2 : 4;
    const hex = reader.source.slice(reader.at, reader.at + digits);
    if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length < digits) {
      throw new PatternProblem(`\\${character} without its ${digits} hex digits`);
    }
    reader.at += digits;
    return String.fromCharCode(Number.parseInt(hex, 16));
  }
  if (/[1-9k]/.test(character)) throw new PatternProblem("back-references are not supported");
  if (/[a-zA-Z0]/.test(character)) throw new PatternProblem(`\\${character} is not supported`);
  return character;
}

function classAt(reader: Reader): UnitTest {
  const negated = accept(reader, "^");
  const tests: UnitTest[] = [];
  while (!accept(reader, "]")) {
    if (peek(reader) === undefined) throw new PatternProblem("a [ without its ]");
    if (accept(reader, "\\")) {
      const kind = classes[peek(reader) ?? ""];
      if (kind) {
        reader.at++;
        tests.push(kind);
        continue;
      }
      tests.push(rangeAt(reader, accept(reader, "b") ? "\b" : escapedAt(reader)));
      continue;
    }
    tests.push(rangeAt(reader, take(reader)));
  }
  const any = cased(reader, (unit) => tests.some((test) => test(unit)));
  return negated ? not(any) : any;
}

function rangeAt(reader: Reader, first: string): UnitTest {
  const next = reader.source[reader.at + 1];
  if (peek(reader) !== "-" || next === "]" || next === undefined) {
    return between(code(first), code(first));
  }
  reader.at++;
  let last = take(reader);
  if (last === "\\") {
    if (classes[peek(reader) ?? ""]) throw new PatternProblem("a range that ends in a class");
    last = escapedAt(reader);
  }
  if (code(last) < code(first)) throw new PatternProblem("a range whose ends are swapped");
  return between(code(first), code(last));
}
