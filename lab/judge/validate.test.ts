import { expect, test } from "vitest";
import { loadCatalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import { choice, integer } from "#scenarios/param-spec.ts";
import { lineOfExpectation, validateScenario } from "./validate.ts";

const scenario = (...expected: readonly unknown[]): Scenario => ({
  id: "db.example",
  title: "Example",
  summary: "An example.",
  story: "It is made for this test.",
  params: {
    n: integer({ label: "n", default: 2, min: 1, max: 9 }),
    kind: choice({ label: "kind", default: "a", options: ["a", "b"] }),
  },
  modes: ["fault", "control"],
  serve: async () => undefined,
  expect: expected as readonly Expectation[],
});
const reason = { why: "it matters", hint: "look there" };
const span = (more: object): unknown => ({
  signal: "span",
  select: { name: "a" },
  ...reason,
  ...more,
});

test("a sound scenario has no problems", () => {
  const sound = scenario(
    span({ count: "2*${params.n}", every: { status: "unset" }, modes: ["fault", "control"] }),
    span({ select: { name: { matches: "^${params.kind} " } }, count: { gte: "${params.n}" } }),
    { signal: "trace", roots: 1, orphans: 0, services: ["lab-server"], ...reason },
    { signal: "metric", name: "a_total", labels: { code: { gte: 500 } }, delta: 0, ...reason },
    { signal: "sentry", item: "event", count: 0, ...reason },
  );
  expect(validateScenario(sound)).toEqual([]);
});

test.each<[string, unknown]>([
  ["expect[0].select.nmae: unknown key nmae", span({ select: { nmae: "a" } })],
  ["expect[0].cuont: unknown key cuont", span({ cuont: 1 })],
  ["expect[0].count.gtee: unknown key gtee", span({ count: { gtee: 1 } })],
  [
    "expect[0].select.childOf.attributes.x.like: unknown key like",
    span({ select: { childOf: { attributes: { x: { like: "a" } } } } }),
  ],
  [
    'expect[0].select.kind: must be ("internal" | "server" | "client" | "producer" | "consumer"), is "db"',
    span({ select: { kind: "db" } }),
  ],
  ["expect[0].why: is missing", { signal: "span", select: { name: "a" }, hint: "h" }],
  ["expect[0].hint: must not be empty", span({ hint: "  " })],
  ["expect[0].select: is missing", { signal: "span", ...reason }],
  ["expect[0].count: can only be met by a number below 0", span({ count: { lt: 0 } })],
  ["expect[0].count: can only be met by a number below 0", span({ count: -1 })],
  ["expect[0].count: 1.5 is not a whole number", span({ count: 1.5 })],
  ['expect[0].count: "many" is text, and a count is a number', span({ count: "many" })],
  ["expect[0].count: has a lower bound above its upper bound", span({ count: { gte: 3, lt: 3 } })],
  ["expect[0].count: is empty: it compares with nothing", span({ count: {} })],
  ["expect[0].count: unknown parameter m; there is: n, kind", span({ count: "${params.m}" })],
  [
    "expect[0].count: kind is not a number, so nothing can be computed with it",
    span({ count: "2*${params.kind}" }),
  ],
  [
    'expect[0].count.gte: "${params.kind}" does not become a number',
    span({ count: { gte: "${params.kind}" } }),
  ],
  [
    "expect[0].select.name: only references to params.<name> can be filled in",
    span({ select: { name: "${run.id}" } }),
  ],
  ["expect[0].select: is empty: it would mean every span", span({ select: {} })],
  [
    "expect[0].select.childOf: is empty: it would mean every span",
    span({ select: { childOf: {} } }),
  ],
  [
    "expect[0].select.attributes: is empty: it asks for nothing",
    span({ select: { attributes: {} } }),
  ],
  [
    "expect[0].select: asks for a span without a parent below another one",
    span({ select: { noParent: true, childOf: { name: "b" } } }),
  ],
  [
    "expect[0].count: allows no span, so none can be looked at",
    span({ count: 0, every: { status: "ok" } }),
  ],
  [
    "expect[0].select.name.matches: is no safe pattern: an unlimited quantifier inside another",
    span({ select: { name: { matches: "(a+)+" } } }),
  ],
  [
    "expect[0].select.name.in: is empty: nothing is among no values",
    span({ select: { name: { in: [] } } }),
  ],
  [
    "expect[0].modes: fix is not among the scenario's modes: fault, control",
    span({ modes: ["fault", "fix"] }),
  ],
  [
    "expect[0]: expects nothing: give traces or roots or orphans or services",
    { signal: "trace", ...reason },
  ],
  ["expect[0].name: is no metric name", { signal: "metric", name: "a-b", delta: 0, ...reason }],
  [
    "expect[0]: needs `stage`: nothing reports from a page",
    { signal: "page", observation: "x", value: true, ...reason },
  ],
])("finds %s", (problem, expectation) => {
  const found = validateScenario(scenario(expectation)).map((it) => `${it.path}: ${it.message}`);
  expect(found).toContain(problem);
});

test("a mode in which nothing is expected would pass whatever happens", () => {
  expect(validateScenario(scenario(span({ modes: ["control"] })))).toEqual([
    {
      path: "expect",
      message: "nothing is expected in mode fault: it would pass whatever happens",
    },
  ]);
});

test("tells the line on which an expectation is written", () => {
  const source = 'x\nexpect: [\n{ signal: "span" },\n{\n signal: "log" },\n]';
  const written = scenario(span({}), { signal: "log", ...reason });
  expect(lineOfExpectation(source, written, 1)).toBe(5);
  expect(lineOfExpectation(source, scenario(span({})), 0)).toBeUndefined();
});

test("every scenario of the catalogue is fit to be judged", async () => {
  const problems = [...(await loadCatalogue()).values()].flatMap((it) =>
    validateScenario(it).map((problem) => `${it.id} ${problem.path}: ${problem.message}`),
  );
  expect(problems).toEqual([]);
});
