const clauses =
  /\s+(?=(?:select|from|where|group by|order by|having|limit|offset|returning|values|set|on conflict|union(?: all)?|(?:left|right|inner|full|cross) join)\b)|(?<!\b(?:left|right|inner|full|cross))\s+(?=join\b)/gi;

/** SQL with each clause on a line of its own; quoted text is left as it is. */
export function formatSql(sql: string): string {
  return sql
    .trim()
    .split(/('(?:[^']|'')*'|"(?:[^"]|"")*")/)
    .map((part, index) =>
      index % 2 === 1 ? part : part.replace(/\s+/g, " ").replace(clauses, "\n"),
    )
    .join("");
}
