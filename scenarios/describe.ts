import type { Expectation, MetricExpectation, Quantity, SentryExpectation } from "./expectation.ts";
import type { AttributeComparisons, Comparison, SpanSelector } from "./span-selector.ts";

/**
 * One readable line for what an expectation asks for, e.g.
 * `exactly ${params.n} spans "SELECT orders" inside "scenario db.n-plus-one"`.
 * Placeholders stay as written: the line can be shown before a run has parameters.
 */
export function describeExpectation(expectation: Expectation): string {
  switch (expectation.signal) {
    case "span": {
      const head = `${counted(expectation.count, "span")}${spanWords(expectation.select)}`;
      const every = expectation.every && `, each${spanWords(expectation.every)}`;
      const distinct =
        expectation.distinct &&
        `, with ${quantity(expectation.distinct.count)} distinct ${expectation.distinct.attribute}`;
      return `${head}${every ?? ""}${distinct ?? ""}`;
    }
    case "order":
      return `span${spanWords(expectation.first)} ${relationWords[expectation.relation]} span${spanWords(expectation.second)}`;
    case "trace":
      return clauses([
        expectation.traces !== undefined && counted(expectation.traces, "trace"),
        expectation.roots !== undefined && counted(expectation.roots, "root span"),
        expectation.orphans !== undefined && counted(expectation.orphans, "orphan span"),
        expectation.services && `spans of ${expectation.services.join(", ")}`,
      ]);
    case "metric":
      return clauses([
        `metric ${expectation.name}${labelWords(expectation)}`,
        ...change(expectation),
      ]);
    case "log":
      return clauses([
        `${counted(expectation.count, `${expectation.severity ? `${expectation.severity.toUpperCase()} ` : ""}log line`)}${
          expectation.body === undefined ? "" : ` ${text(expectation.body)}`
        }${expectation.service === undefined ? "" : ` of ${text(expectation.service)}`}`,
        expectation.attributes && `with ${attributeWords(expectation.attributes)}`,
        expectation.correlated && "tied to a span of the run's trace",
      ]);
    case "sentry":
      return sentryWords(expectation);
    case "answer":
      return clauses([
        expectation.status !== undefined &&
          (expectation.status === 0
            ? "the connection breaks before an answer comes"
            : `the request is answered with status ${quantity(expectation.status)}`),
        expectation.durationMs !== undefined && `it takes ${quantity(expectation.durationMs)} ms`,
      ]);
    case "page":
      return `the page reports ${expectation.observation} ${equals(expectation.value)}`;
    case "component":
      return clauses([
        expectation.exitCode !== undefined &&
          `${expectation.component} exits with code ${quantity(expectation.exitCode)}`,
        expectation.restarts !== undefined &&
          `${expectation.component} restarts ${times(expectation.restarts)}`,
      ]);
    case "agree": {
      const { of, within = 0 } = expectation;
      const words = of.map(quantityWords);
      return within === 0
        ? words.join(" equal ")
        : `${words.join(" and ")} differ by at most ${within}`;
    }
    case "secrets":
      return clauses([
        `${counted(expectation.count ?? 0, "credential")} in any signal`,
        expectation.planted !== undefined && `"${expectation.planted}…" included`,
      ]);
    case "check":
      return expectation.title;
  }
}

/** What a quantity counts, e.g. `spans "SELECT orders"`. */
export function quantityWords(counts: Quantity): string {
  if ("spans" in counts) return `spans${spanWords(counts.spans)}`;
  if ("metric" in counts) {
    return `the change of ${counts.metric.name}${labelWords(counts.metric)}`;
  }
  if ("logs" in counts)
    return plural(describeExpectation({ signal: "log", ...none, ...counts.logs }));
  return plural(describeExpectation({ signal: "sentry", ...none, ...counts.sentry }));
}

const none = { why: "", hint: "" } as const;
const plural = (words: string): string =>
  words.replace(/^at least 1 (.*?)(log line|Sentry (?:event|log|transaction))/, "$1$2s");

const relationWords = {
  before: "ends before",
  overlaps: "overlaps",
  within: "lies within",
  "ends-after-parent": "ends after its parent,",
} as const;

function change(expectation: MetricExpectation): (string | false | undefined)[] {
  return [
    expectation.delta !== undefined && `changes by ${quantity(expectation.delta)}`,
    expectation.max !== undefined && `has a peak of ${quantity(expectation.max)}`,
    expectation.returnsTo && `returns to its ${expectation.returnsTo}`,
    expectation.exemplar && "has an exemplar of the run's trace",
  ];
}

function labelWords(expectation: Pick<MetricExpectation, "labels">): string {
  return expectation.labels ? ` {${attributeWords(expectation.labels)}}` : "";
}

function sentryWords(expectation: SentryExpectation): string {
  const { exception } = expectation;
  const level = expectation.level === undefined ? "" : `${quantity(expectation.level)} `;
  return clauses([
    `${counted(expectation.count, `${level}Sentry ${expectation.item}`)}${
      expectation.service === undefined ? "" : ` of ${text(expectation.service)}`
    }`,
    expectation.name !== undefined && `named ${text(expectation.name)}`,
    exception?.type !== undefined && `exception ${text(exception.type)}`,
    exception?.message !== undefined && `message ${text(exception.message)}`,
    expectation.mechanism !== undefined && `mechanism ${quantity(expectation.mechanism)}`,
    expectation.handled !== undefined && (expectation.handled ? "handled" : "unhandled"),
    expectation.sameTrace && "in the run's trace",
  ]);
}

function spanWords(select: SpanSelector): string {
  const words = [
    select.name !== undefined && text(select.name),
    select.service !== undefined && `of ${text(select.service)}`,
    select.kind && `of kind ${select.kind}`,
    select.status && `with status ${select.status}`,
    select.attributes && `with ${attributeWords(select.attributes)}`,
    select.resource && `from ${attributeWords(select.resource)}`,
    select.durationMs !== undefined && `lasting ${quantity(select.durationMs)} ms`,
    select.selfTimeMs !== undefined && `with ${quantity(select.selfTimeMs)} ms of its own`,
    select.exception && exceptionWords(select.exception),
    select.childOf && `under${spanWords(select.childOf)}`,
    select.descendantOf && `inside${spanWords(select.descendantOf)}`,
    select.noParent && "without a parent",
    select.linksTo && `linked to${spanWords(select.linksTo)}`,
  ].filter((word) => typeof word === "string");
  return words.length === 0 ? "" : ` ${words.join(" ")}`;
}

function exceptionWords({ type, message }: NonNullable<SpanSelector["exception"]>): string {
  const named = isAny(type) ? "with an exception" : `with exception ${text(type)}`;
  return isAny(message) ? named : `${named} saying ${text(message)}`;
}

/** Nothing is asked but that there is one. */
const isAny = (comparison: Comparison | undefined): comparison is undefined =>
  comparison === undefined || (typeof comparison === "object" && comparison.exists === true);

function attributeWords(attributes: AttributeComparisons): string {
  return Object.entries(attributes)
    .map(([name, value]) => `${name} ${equals(value)}`)
    .join(", ");
}

const clauses = (parts: readonly (string | false | undefined)[]): string =>
  parts.filter((part) => typeof part === "string").join(", ");

/** A comparison as a value: numbers and words bare, e.g. `at least 10`, `error`. */
function quantity(comparison: Comparison): string {
  if (typeof comparison !== "object") return String(comparison);
  return [
    comparison.eq !== undefined && String(comparison.eq),
    comparison.ne !== undefined && `other than ${comparison.ne}`,
    comparison.gt !== undefined && `more than ${comparison.gt}`,
    comparison.gte !== undefined && `at least ${comparison.gte}`,
    comparison.lt !== undefined && `less than ${comparison.lt}`,
    comparison.lte !== undefined && `at most ${comparison.lte}`,
    comparison.in && `one of ${comparison.in.join(", ")}`,
    comparison.matches !== undefined && `matching /${comparison.matches}/`,
    comparison.exists !== undefined && (comparison.exists ? "present" : "absent"),
  ]
    .filter((word) => typeof word === "string")
    .join(" and ");
}

const isLiteral = (comparison: Comparison): boolean =>
  typeof comparison !== "object" || comparison.eq !== undefined;

/** A comparison as text: literals in quotes. */
const text = (comparison: Comparison): string =>
  isLiteral(comparison) ? `"${quantity(comparison)}"` : quantity(comparison);

const equals = (comparison: Comparison): string =>
  isLiteral(comparison) ? `= ${quantity(comparison)}` : quantity(comparison);

function counted(count: Comparison | undefined, noun: string): string {
  if (count === undefined) return `at least 1 ${noun}`;
  if (count === 0) return `no ${noun}`;
  if (count === 1) return `exactly 1 ${noun}`;
  return isLiteral(count) ? `exactly ${quantity(count)} ${noun}s` : `${quantity(count)} ${noun}s`;
}

const times = (count: Comparison): string =>
  count === 0 ? "not at all" : count === 1 ? "once" : `${quantity(count)} times`;

/** A comparison in words: `= 5`, `at least 10`, `matching /x/`. */
export const describeComparison = equals;

/** A span selector in words, e.g. `"SELECT orders" of kind client`; empty for the empty selector. */
export const describeSelector = (select: SpanSelector): string => spanWords(select).trim();
