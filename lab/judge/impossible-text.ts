import type { ParamSpec } from "#scenarios/param-spec.ts";
import { patternOf } from "../pattern/pattern.ts";
import { fillIn, referencesIn } from "./placeholders.ts";
import type { Problem } from "./problem.ts";

/** References to parameters that are not there, or that nothing can be computed with. */
export function placeholderProblems(value: unknown, path: string, params: ParamSpec): Problem[] {
  return walkTexts(value, path, (text, at, key) => {
    if (key === "why" || key === "hint") return [];
    const { names, computes } = referencesIn(text);
    const unknown = names.filter((name) => !Object.hasOwn(params, name));
    if (unknown.length > 0) {
      const known = Object.keys(params).join(", ") || "none";
      return [{ path: at, message: `unknown parameter ${unknown.join(", ")}; there is: ${known}` }];
    }
    const [name] = names;
    if (computes && name !== undefined && params[name]?.kind !== "integer") {
      return [{ path: at, message: `${name} is not a number, so nothing can be computed with it` }];
    }
    if (isNumeric(key) && typeof fillIn(text, examples(params)) !== "number") {
      return [{ path: at, message: `"${text}" does not become a number` }];
    }
    return text.replaceAll(/\$\{params\.[A-Za-z_$][\w$]*\}/g, "").includes("${")
      ? [{ path: at, message: "only references to params.<name> can be filled in" }]
      : [];
  });
}

const isNumeric = (key: string): boolean => ["gt", "gte", "lt", "lte"].includes(key);

const examples = (params: ParamSpec) =>
  Object.fromEntries(Object.entries(params).map(([name, param]) => [name, param.default]));

/** Patterns that could take for ever. */
export function patternProblems(value: unknown, path: string): Problem[] {
  return walkTexts(value, path, (text, at, key) => {
    if (key !== "matches") return [];
    const pattern = patternOf(text.replaceAll(/\$\{params\.[A-Za-z_$][\w$]*\}/g, "x"));
    return pattern.ok ? [] : [{ path: at, message: `is no safe pattern: ${pattern.problem}` }];
  });
}

function walkTexts(
  value: unknown,
  path: string,
  visit: (text: string, path: string, key: string) => Problem[],
  key = "",
): Problem[] {
  if (typeof value === "string") return visit(value, path, key);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    Array.isArray(value)
      ? walkTexts(item, `${path}[${name}]`, visit, key)
      : walkTexts(item, `${path}.${name}`, visit, name),
  );
}
