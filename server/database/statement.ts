/** What a span may say about a statement: never a value. */
export interface Statement {
  /** One line, comments gone, literals as `?`, parameters as `$n`. */
  readonly text: string;
  /** `SELECT`, `BEGIN`, `CREATE INDEX`, … */
  readonly operation: string;
  /** Tables in order of appearance, each once. */
  readonly collections: readonly string[];
  /** Span name, e.g. `SELECT orders` (https://opentelemetry.io/docs/specs/semconv/db/database-spans/#generating-a-summary-of-the-query). */
  readonly summary: string;
}

const identifier = '(?:"[^"]+"|[a-z_][\\w$]*)';
const table = `${identifier}(?:\\.${identifier})?`;
/** An alias is any word but one that goes on with the statement. */
const alias =
  "(?:\\s+(?:as\\s+)?(?!(?:cross|inner|left|right|full|natural|join|on|using|where|group|order|limit|offset|set|values|returning|union|for|default|select|having|window)\\b)[a-z_]\\w*)?";
const tableWords = new RegExp(
  `\\b(?:from|join|into|update|table|truncate|analyze|copy|on)\\s+(?:only\\s+)?(?:if\\s+(?:not\\s+)?exists\\s+)?(${table})${alias}((?:\\s*,\\s*${table}${alias})*)`,
  "gi",
);
const firstTable = new RegExp(`^${table}`, "i");
const notTables = new Set(["as", "select", "values", "lateral", "unnest", "set", "conflict"]);
/** Verbs that mean little without the kind of thing they act on. */
const twoWords = /^(?:create|drop|alter)\s+(?:unique\s+)?(\w+)/i;

/** Reads the first statement of `sql`. Unknown syntax gives a shorter answer, never an error. */
export function readStatement(sql: string): Statement {
  const text = sanitize(sql);
  const outer = withoutParentheses(text);
  const operation = operationOf(outer);
  const collections = collectionsOf(outer, operation);
  return { text, operation, collections, summary: [operation, ...collections].join(" ") };
}

/**
 * What has to be read as a whole, because each may hold what begins another: quoted names, text in
 * its three forms, comments. Read one kind after the other, `'--'` would be half a comment.
 */
const wholes =
  /"(?:[^"]|"")*"|\b[eE]'(?:[^'\\]|\\[\s\S]|'')*'|(?:\b[bBxXnNuU]&?)?'(?:[^']|'')*'|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\//g;

function sanitize(sql: string): string {
  return sql
    .replace(wholes, (whole) => {
      if (whole.startsWith('"')) return whole;
      // Comments can carry anything, e.g. what a commenter library put there.
      return whole.startsWith("--") || whole.startsWith("/*") ? " " : "?";
    })
    .replace(/(?<![\w$."])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?\b/gi, "?")
    .replace(/\s+/g, " ")
    .trim();
}

function withoutParentheses(text: string): string {
  let result = text;
  for (let before = ""; before !== result; ) {
    before = result;
    result = result.replace(/\([^()]*\)/g, " ");
  }
  return result.replace(/\s+/g, " ").trim();
}

function operationOf(outer: string): string {
  const first = /^[a-z]+/i.exec(outer)?.[0]?.toUpperCase() ?? "QUERY";
  if (first === "WITH") {
    return /\b(?:select|insert|update|delete|merge)\b/i.exec(outer)?.[0].toUpperCase() ?? first;
  }
  const kind = twoWords.exec(outer)?.[1];
  return kind === undefined ? first : `${first} ${kind.toUpperCase()}`;
}

function collectionsOf(outer: string, operation: string): string[] {
  const found = new Set<string>();
  for (const [word, first = "", others = ""] of outer.matchAll(tableWords)) {
    // `on` names a table in DDL and begins a condition in a join.
    if (/^on\b/i.test(word) && !operation.endsWith("INDEX")) continue;
    for (const name of [first, ...others.split(",")]) {
      const bare = firstTable.exec(name.trim())?.[0].replaceAll('"', "") ?? "";
      if (bare !== "" && !notTables.has(bare.toLowerCase())) found.add(bare);
    }
  }
  return [...found];
}
