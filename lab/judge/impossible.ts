import type { Scenario } from "#scenarios/define.ts";
import type { Expectation, Quantity } from "#scenarios/expectation.ts";
import type { ParamSpec } from "#scenarios/param-spec.ts";
import type { Comparison, SpanSelector } from "#scenarios/span-selector.ts";
import { patternOf } from "../pattern/pattern.ts";
import { fillIn, referencesIn } from "./placeholders.ts";

/** Where in a scenario something is wrong, e.g. `expect[2].select.attributes`, and what. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** What type-checks and still can never be met, or never be broken. */
export function impossibleIn(
  expectation: Expectation,
  path: string,
  scenario: Scenario,
): readonly Problem[] {
  return [
    ...placeholderProblems(expectation, path, scenario.params),
    ...patternProblems(expectation, path),
    ...modeProblems(expectation, path, scenario),
    ...signalProblems(expectation, path, scenario),
  ];
}

function modeProblems(expectation: Expectation, path: string, scenario: Scenario): Problem[] {
  const given = expectation.modes ?? ["fault"];
  if (given.length === 0) {
    return [{ path: `${path}.modes`, message: "is empty: it would never be judged" }];
  }
  return given
    .filter((mode) => !scenario.modes.includes(mode))
    .map((mode) => ({
      path: `${path}.modes`,
      message: `${mode} is not among the scenario's modes: ${scenario.modes.join(", ")}`,
    }));
}

function signalProblems(expectation: Expectation, path: string, scenario: Scenario): Problem[] {
  switch (expectation.signal) {
    case "span":
      return spanProblems(expectation, path);
    case "order":
      return [
        ...selectorProblems(expectation.first, `${path}.first`),
        ...selectorProblems(expectation.second, `${path}.second`),
      ];
    case "trace": {
      const { traces, roots, orphans, services } = expectation;
      return [
        ...claims(path, { traces, roots, orphans, services }),
        ...quantities(path, { traces, roots, orphans }),
      ];
    }
    case "metric": {
      const { delta, max, returnsTo, exemplar, labels } = expectation;
      return [
        ...claims(path, { delta, max, returnsTo, exemplar }),
        ...comparable(path, { delta, max, ...labels }),
      ];
    }
    case "log": {
      const { service, body, attributes, count } = expectation;
      return [
        ...comparable(path, { service, body, ...attributes }),
        ...quantities(path, { count }),
      ];
    }
    case "sentry": {
      const { name, service, level, mechanism, exception, count } = expectation;
      return [
        ...comparable(path, { name, service, level, mechanism, ...exception }),
        ...quantities(path, { count }),
      ];
    }
    case "answer": {
      const { status, durationMs } = expectation;
      return [
        ...(scenario.serve
          ? []
          : [{ path, message: "needs `serve`: nothing answers in this scenario" }]),
        ...claims(path, { status, durationMs }),
        ...quantities(path, { status }),
        ...amounts(path, { durationMs }),
      ];
    }
    case "page":
      return [
        ...(scenario.stage
          ? []
          : [{ path, message: "needs `stage`: nothing reports from a page" }]),
        ...comparable(path, { value: expectation.value }),
      ];
    case "component": {
      const { restarts, exitCode } = expectation;
      return [
        ...claims(path, { restarts, exitCode }),
        ...quantities(path, { restarts }),
        ...comparable(path, { exitCode }),
      ];
    }
    case "agree":
      return [
        ...(expectation.of.length < 2
          ? [{ path: `${path}.of`, message: "compares less than two quantities" }]
          : []),
        ...expectation.of.flatMap((one, index) => quantityProblems(one, `${path}.of[${index}]`)),
      ];
    case "secrets":
      return quantities(path, { count: expectation.count });
    case "check":
      return expectation.check
        ? []
        : [{ path: `${path}.check`, message: "is missing: there is nothing to ask" }];
  }
}

function quantityProblems(counts: Quantity, path: string): Problem[] {
  if ("spans" in counts) return selectorProblems(counts.spans, `${path}.spans`);
  if ("metric" in counts) return comparable(`${path}.metric`, counts.metric.labels ?? {});
  if ("logs" in counts) {
    const { service, body, attributes } = counts.logs;
    return comparable(`${path}.logs`, { service, body, ...attributes });
  }
  const { name, service, level, mechanism, exception } = counts.sentry;
  return comparable(`${path}.sentry`, { name, service, level, mechanism, ...exception });
}

function spanProblems(
  { select, count, every, distinct }: Extract<Expectation, { signal: "span" }>,
  path: string,
): Problem[] {
  const problems = [
    ...selectorProblems(select, `${path}.select`),
    ...(every ? selectorProblems(every, `${path}.every`) : []),
    ...quantities(path, { count }),
    ...quantities(`${path}.distinct`, { count: distinct?.count }),
  ];
  if ((every || distinct) && count !== undefined && upperLimit(count) < 1) {
    problems.push({ path: `${path}.count`, message: "allows no span, so none can be looked at" });
  }
  return problems;
}

function selectorProblems(selector: SpanSelector, path: string): Problem[] {
  const { name, service, attributes, resource, durationMs, selfTimeMs, exception } = selector;
  const problems = [
    ...comparable(path, { name, service, ...exception }),
    ...comparable(`${path}.attributes`, attributes ?? {}),
    ...comparable(`${path}.resource`, resource ?? {}),
    ...amounts(path, { durationMs, selfTimeMs }),
  ];
  if (Object.keys(selector).length === 0) {
    problems.push({ path, message: "is empty: it would mean every span" });
  }
  for (const key of ["attributes", "resource"] as const) {
    const given = selector[key];
    if (given && Object.keys(given).length === 0) {
      problems.push({ path: `${path}.${key}`, message: "is empty: it asks for nothing" });
    }
  }
  if (selector.noParent && (selector.childOf || selector.descendantOf)) {
    problems.push({ path, message: "asks for a span without a parent below another one" });
  }
  for (const key of ["childOf", "descendantOf", "linksTo"] as const) {
    const related = selector[key];
    if (related) problems.push(...selectorProblems(related, `${path}.${key}`));
  }
  return problems;
}

type Named = Readonly<Record<string, Comparison | undefined>>;

/** At least one of the named parts has to be there. */
function claims(path: string, parts: Readonly<Record<string, unknown>>): Problem[] {
  const given = Object.values(parts).some(
    (part) => part !== undefined && !(Array.isArray(part) && part.length === 0),
  );
  if (given) return [];
  return [{ path, message: `expects nothing: give ${Object.keys(parts).join(" or ")}` }];
}

const present = (named: Named): [string, Comparison][] =>
  Object.entries(named).flatMap(([key, comparison]) =>
    comparison === undefined ? [] : [[key, comparison]],
  );

/** Comparisons that nothing, or everything, meets. */
function comparable(path: string, named: Named): Problem[] {
  return present(named).flatMap(([key, comparison]) => {
    if (typeof comparison !== "object") return [];
    const at = `${path}.${key}`;
    const problems: Problem[] = [];
    const { exists, ...rest } = comparison;
    if (Object.keys(comparison).length === 0) {
      problems.push({ path: at, message: "is empty: it compares with nothing" });
    }
    if (comparison.in?.length === 0) {
      problems.push({ path: `${at}.in`, message: "is empty: nothing is among no values" });
    }
    if (exists === false && Object.keys(rest).length > 0) {
      problems.push({ path: at, message: "compares the value of something that must not exist" });
    }
    if (lowerLimit(comparison) > upperLimit(comparison) || isStrictlyEmpty(comparison)) {
      problems.push({ path: at, message: "has a lower bound above its upper bound" });
    }
    return problems;
  });
}

/** Durations: any number from 0 up. */
function amounts(path: string, named: Named): Problem[] {
  return [
    ...comparable(path, named),
    ...present(named).flatMap(([key, comparison]) =>
      upperLimit(comparison) < 0 ||
      (typeof comparison === "object" && typeof comparison.lt === "number" && comparison.lt <= 0)
        ? [{ path: `${path}.${key}`, message: "can only be met by a number below 0" }]
        : [],
    ),
  ];
}

/** Counts: whole numbers from 0 up. */
function quantities(path: string, named: Named): Problem[] {
  return [
    ...amounts(path, named),
    ...present(named).flatMap(([key, comparison]) => {
      const at = `${path}.${key}`;
      const exact = typeof comparison === "object" ? comparison.eq : comparison;
      if (typeof exact === "number" && !Number.isInteger(exact)) {
        return [{ path: at, message: `${exact} is not a whole number` }];
      }
      if (typeof exact === "boolean") return [{ path: at, message: "a count is a number" }];
      if (typeof exact === "string" && referencesIn(exact).names.length === 0) {
        return [{ path: at, message: `"${exact}" is text, and a count is a number` }];
      }
      if (typeof comparison === "object" && comparison.matches !== undefined) {
        return [{ path: at, message: "a count is a number and matches no pattern" }];
      }
      if (typeof comparison === "object" && comparison.exists !== undefined) {
        return [{ path: at, message: "a count always exists" }];
      }
      return [];
    }),
  ];
}

const numberOr = (bound: unknown, other: number): number =>
  typeof bound === "number" ? bound : other;

function upperLimit(comparison: Comparison): number {
  if (typeof comparison !== "object") return numberOr(comparison, Infinity);
  const { eq, lt, lte } = comparison;
  return Math.min(numberOr(eq, Infinity), numberOr(lt, Infinity), numberOr(lte, Infinity));
}

function lowerLimit(comparison: Comparison): number {
  if (typeof comparison !== "object") return numberOr(comparison, -Infinity);
  const { eq, gt, gte } = comparison;
  return Math.max(numberOr(eq, -Infinity), numberOr(gt, -Infinity), numberOr(gte, -Infinity));
}

/** `gt: 5, lte: 5` and the like: the bounds touch and one of them is open. */
function isStrictlyEmpty(comparison: Exclude<Comparison, string | number | boolean>): boolean {
  const limit = upperLimit(comparison);
  if (limit !== lowerLimit(comparison)) return false;
  return comparison.lt === limit || comparison.gt === limit;
}

function placeholderProblems(value: unknown, path: string, params: ParamSpec): Problem[] {
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

function patternProblems(value: unknown, path: string): Problem[] {
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
