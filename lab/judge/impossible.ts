import type { Scenario } from "#scenarios/define.ts";
import type { Expectation, Quantity } from "#scenarios/expectation.ts";
import type { SpanSelector } from "#scenarios/span-selector.ts";
import { amounts, comparable, quantities, upperLimit } from "./impossible-comparison.ts";
import { patternProblems, placeholderProblems } from "./impossible-text.ts";
import type { Problem } from "./problem.ts";

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

/** At least one of the named parts has to be there. */
function claims(path: string, parts: Readonly<Record<string, unknown>>): Problem[] {
  const given = Object.values(parts).some(
    (part) => part !== undefined && !(Array.isArray(part) && part.length === 0),
  );
  if (given) return [];
  return [{ path, message: `expects nothing: give ${Object.keys(parts).join(" or ")}` }];
}
