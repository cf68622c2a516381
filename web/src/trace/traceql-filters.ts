/** The conditions that have a control of their own beside the query. */
export interface Filters {
  readonly service: string;
  readonly errorsOnly: boolean;
  /** Spans of scenario runs: not what the page does by itself. */
  readonly runsOnly: boolean;
  /** As TraceQL writes durations, e.g. `100ms`; empty for none. */
  readonly atLeast: string;
}

const fields = {
  service: /^resource\.service\.name\s*=\s*"((?:[^"\\]|\\.)*)"$/,
  runsOnly: /^span\.lab\.run\.id\s*!=\s*nil$/,
  errorsOnly: /^status\s*=\s*error$/,
  atLeast: /^traceDuration\s*>=\s*(\S+)$/,
} as const;

/** What is listed before anybody asks: the traces of runs. */
export const runsQuery = "{ span.lab.run.id != nil }";

/** Reads the controls' values from a query: there is one truth, and it is the text. */
export function filtersOf(query: string): Filters {
  const conditions = conditionsOf(query) ?? [];
  const first = (field: RegExp) => conditions.map((one) => field.exec(one)).find(Boolean);
  return {
    service: unquoted(first(fields.service)?.[1] ?? ""),
    errorsOnly: first(fields.errorsOnly) !== undefined,
    runsOnly: first(fields.runsOnly) !== undefined,
    atLeast: first(fields.atLeast)?.[1] ?? "",
  };
}

/** The query with one control's condition changed; a query of more than one part gets it as a further one. */
export function withFilter<K extends keyof Filters>(
  query: string,
  field: K,
  value: Filters[K],
): string {
  const condition = conditionOf(field, value);
  const conditions = conditionsOf(query);
  if (conditions === undefined) {
    return condition === undefined ? query : `${query.trim()} && { ${condition} }`;
  }
  const kept = conditions.filter((one) => !fields[field].test(one));
  const all = condition === undefined ? kept : [...kept, condition];
  return all.length === 0 ? "" : `{ ${all.join(" && ")} }`;
}

function conditionOf(field: keyof Filters, value: Filters[keyof Filters]): string | undefined {
  if (value === "" || value === false) return undefined;
  switch (field) {
    case "service":
      return `resource.service.name = ${JSON.stringify(value)}`;
    case "runsOnly":
      return "span.lab.run.id != nil";
    case "errorsOnly":
      return "status = error";
    case "atLeast":
      return `traceDuration >= ${value}`;
  }
}

/** Of a query of one pair of braces whose conditions all have to hold; undefined for any other. */
function conditionsOf(query: string): readonly string[] | undefined {
  const text = query.trim();
  if (text === "") return [];
  const inside = /^\{((?:[^{}"]|"(?:[^"\\]|\\.)*")*)\}$/.exec(text)?.[1];
  if (inside === undefined) return undefined;
  const outsideOfText = inside.replace(/"(?:[^"\\]|\\.)*"/g, '""');
  if (/\|\||[()]/.test(outsideOfText)) return undefined;
  return inside
    .split(/&&(?=(?:[^"\\]|\\.|"(?:[^"\\]|\\.)*")*$)/)
    .map((one) => one.trim())
    .filter((one) => one !== "");
}

function unquoted(text: string): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    return text;
  }
}
