import { parseDuration } from "../traceql/lexer.ts";
import { Refusal } from "./refusal.ts";

/** Whether the search is written in TraceQL, not in the older parameters. */
export const isTraceql = (query: URLSearchParams): boolean => (query.get("q") ?? "").trim() !== "";

/** `q`, or the older parameters `tags`, `minDuration` and `maxDuration` brought into TraceQL. Throws {@link Refusal}. */
export function traceqlOf(query: URLSearchParams): string {
  if (isTraceql(query)) {
    if ((query.get("tags") ?? "") !== "") throw bothWays();
    return query.get("q") ?? "";
  }
  const conditions: string[] = [];
  for (const tag of (query.get("tags") ?? "").match(/[^\s=]+=(?:"(?:[^"\\]|\\.)*"|\S*)/g) ?? []) {
    const equals = tag.indexOf("=");
    const value = tag.slice(equals + 1);
    const text = value.startsWith('"') ? value : JSON.stringify(value);
    conditions.push(`{ ${tagCondition(tag.slice(0, equals), text)} }`);
  }
  const duration = (name: string, operator: string): void => {
    const text = query.get(name);
    if (text === null || text === "") return;
    if (parseDuration(text) === 0)
      throw new Refusal(400, "bad_query", `The query parameter ${name} is no duration.`, {
        hint: "Write it like 100ms or 1.5s.",
      });
    conditions.push(`{ traceDuration ${operator} ${text} }`);
  };
  duration("minDuration", ">=");
  duration("maxDuration", "<=");
  // Any span may hold any of them.
  return conditions.length === 0 ? "{}" : conditions.join(" && ");
}

/** In Tempo's words. */
const bothWays = (): Refusal =>
  new Refusal(400, "bad_query", "invalid request: can't specify tags and q in the same query", {
    hint: "Write what tags asks for into the query.",
  });

function tagCondition(name: string, text: string): string {
  if (name === "name") return `name = ${text}`;
  if (name === "status" || name === "kind") return `${name} = ${text.replaceAll('"', "")}`;
  const quoted = `."${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  // The old search compares texts; attributes may be numbers or truth values.
  const bare = text.slice(1, -1);
  const values = /^(?:\d+(?:\.\d+)?|true|false)$/.test(bare) ? [text, bare] : [text];
  return ["span", "resource"]
    .flatMap((scope) => values.map((value) => `${scope}${quoted} = ${value}`))
    .join(" || ");
}
