import { TraceqlError } from "./syntax.ts";

export type Token =
  | { readonly kind: "punctuation" | "word"; readonly text: string; readonly at: number }
  /** `.a`, `span.a`, `parent.resource.a`: `text` is the scope path, `name` the attribute. */
  | {
      readonly kind: "attribute";
      readonly text: string;
      readonly name: string;
      readonly at: number;
    }
  | { readonly kind: "string"; readonly text: string; readonly value: string; readonly at: number }
  | {
      readonly kind: "int" | "float" | "duration";
      readonly text: string;
      /** Durations in nanoseconds. */
      readonly value: number;
      readonly at: number;
    }
  | { readonly kind: "end"; readonly text: ""; readonly at: number };

/** Longest first: `>>` must not be read as two `>`. */
const punctuation = [
  ..."!>> !<< &>> &<<".split(" "),
  ..."&& || >> << >= <= != =~ !~ !> !< &> &< &~".split(" "),
  ..."{}()=<>~!|+-*/%^,".split(""),
];

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

const scopes = /(?:parent\.)?(?:span|resource|event|link|instrumentation)\.|parent\.|\./y;
const word = /[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z]+)?/y;
const duration = /(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+(?![A-Za-z0-9_])/y;
const number = /\d+(?:\.\d+)?(?![A-Za-z0-9_])/y;
/** All that may stand in a bare attribute name; an arithmetic operator after one needs a space. */
const nameRun = /[^\s{}()=~!<>&|^,"`]+/y;

/** Takes a query apart. Throws {@link TraceqlError}. */
export function tokenize(query: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(query)?.[0];
  };
  while (at < query.length) {
    const start = at;
    if (/\s/.test(query[at] as string)) {
      at++;
      continue;
    }
    const quoted = readString(query, at);
    if (quoted !== undefined) {
      at = quoted.end;
      const text = query.slice(start, at);
      tokens.push({ kind: "string", text, value: quoted.value, at: start });
      continue;
    }
    const scope = match(scopes);
    if (scope !== undefined) {
      at += scope.length;
      const { name, end } = readAttributeName(query, at);
      tokens.push({ kind: "attribute", text: scope, name, at: start });
      at = end;
      continue;
    }
    const time = match(duration);
    if (time !== undefined) {
      at += time.length;
      tokens.push({ kind: "duration", text: time, value: parseDuration(time), at: start });
      continue;
    }
    const digits = match(number);
    if (digits !== undefined) {
      at += digits.length;
      const kind = digits.includes(".") ? "float" : "int";
      tokens.push({ kind, text: digits, value: Number(digits), at: start });
      continue;
    }
    const name = match(word);
    if (name !== undefined) {
      at += name.length;
      tokens.push({ kind: "word", text: name, at: start });
      continue;
    }
    const sign = punctuation.find((each) => query.startsWith(each, start));
    if (sign === undefined)
      throw new TraceqlError(query, start, `unexpected ${JSON.stringify(query[start])}`);
    at += sign.length;
    tokens.push({ kind: "punctuation", text: sign, at: start });
  }
  tokens.push({ kind: "end", text: "", at: query.length });
  return tokens;
}

export function parseDuration(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    total += Number(amount) * (nanoseconds[unit ?? ""] ?? 0);
  return total;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };

/** A string in double quotes (with escapes) or back quotes (without). */
function readString(
  query: string,
  from: number,
): { readonly value: string; readonly end: number } | undefined {
  const quote = query[from];
  if (quote !== '"' && quote !== "`") return undefined;
  let value = "";
  for (let at = from + 1; at < query.length; at++) {
    const character = query[at] as string;
    if (character === quote) return { value, end: at + 1 };
    if (character === "\\" && quote === '"') {
      at++;
      value += escapes[query[at] ?? ""] ?? query[at] ?? "";
    } else value += character;
  }
  throw new TraceqlError(query, from, "this text has no closing quote");
}

/** Bare and quoted parts, e.g. `http."my route".id`. */
function readAttributeName(
  query: string,
  from: number,
): { readonly name: string; readonly end: number } {
  let name = "";
  let at = from;
  for (;;) {
    nameRun.lastIndex = at;
    const bare = nameRun.exec(query)?.[0];
    const quoted = bare === undefined && query[at] === '"' ? readString(query, at) : undefined;
    if (bare !== undefined) at += bare.length;
    else if (quoted !== undefined) at = quoted.end;
    else break;
    name += bare ?? quoted?.value;
  }
  if (name === "") throw new TraceqlError(query, from, "expected the name of an attribute");
  return { name, end: at };
}
