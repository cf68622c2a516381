import { checkTraceql } from "./check.ts";
import { parseTraceql } from "./parser.ts";
import type { FieldReference, Static } from "./syntax.ts";
import { TraceqlError } from "./syntax.ts";

/** A comparison of a field with a constant. */
export interface Matcher {
  readonly field: FieldReference;
  readonly operator: string;
  readonly value: Static;
  /** As written. */
  readonly text: string;
}

/**
 * What a query that is still being written says for sure: the finished comparisons of a single
 * `{ … && … }`. As in Tempo, what is unfinished or wrong is left out, and none are left of a query
 * with more than that: `||`, several spansets, a pipeline
 * (https://grafana.com/docs/tempo/latest/api_docs/#filtered-tag-values).
 */
export function matchersOf(query: string): readonly Matcher[] {
  const [, inside] = /^\s*\{([\s\S]*?)\}?\s*$/.exec(query) ?? [];
  return (inside === undefined ? [] : conjuncts(inside)).flatMap(matcherOf);
}

/** An intrinsic, or an attribute of the span itself in a scope that is named. */
export const isScoped = (field: FieldReference): boolean =>
  field.node === "intrinsic" || (field.scope !== "any" && !field.ofParent);

/** Texts between `&&`; none where something else joins them. What stands in quotes joins nothing. */
function conjuncts(text: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string;
    if (quote !== "") {
      if (letter === "\\" && quote === '"') at++;
      else if (letter === quote) quote = "";
    } else if (letter === '"' || letter === "`") quote = letter;
    else if (letter === "{" || letter === "}" || letter === "|") return [];
    else if (letter === "&" && text[at + 1] === "&") {
      parts.push(text.slice(start, at));
      at++;
      start = at + 1;
    }
  }
  return [...parts, text.slice(start)];
}

function matcherOf(text: string): readonly Matcher[] {
  try {
    const query = `{ ${text} }`;
    const pipeline = parseTraceql(query);
    checkTraceql(query, pipeline);
    const [stage, ...more] = pipeline.stages;
    if (stage?.node !== "filter" || stage.condition?.node !== "binary" || more.length > 0)
      return [];
    const { left, operator, right } = stage.condition;
    const isField = left.node === "attribute" || left.node === "intrinsic";
    return isField && right.node === "static"
      ? [{ field: left, operator, value: right.static, text: text.trim() }]
      : [];
  } catch (error) {
    if (!(error instanceof TraceqlError)) throw error;
    return [];
  }
}
