import { expect, test } from "vitest";
import {
  evidenceOf,
  log,
  metricEvidence,
  ofRun,
  reading,
  sentryItem,
  span,
  traceOf,
} from "#lab/judge/factories.ts";
import { judge } from "#lab/judge/judge.ts";
import { defineScenario, type Scenario } from "#scenarios/define.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import { planTrials, withTrials } from "./live-trials.ts";
import { matrixLines } from "./matrix-lines.ts";
import { mutants } from "./mutants.ts";
import { tellApart } from "./result.ts";
import { selfTest, survivors, vacuousChecks } from "./self-test.ts";

const said = { why: "It matters.", hint: "Look." };
const expectations: readonly Expectation[] = [
  { signal: "trace", traces: 1, roots: 1, orphans: 0, ...said },
  { signal: "span", select: { name: "POST", status: "error" }, count: 1, ...said },
  { signal: "span", select: { name: "SELECT orders" }, count: 1, ...said },
  { signal: "span", select: { name: "job", linksTo: { name: "POST" } }, count: 1, ...said },
  { signal: "metric", name: "requests_total", delta: 1, ...said },
  { signal: "log", correlated: true, count: 1, ...said },
  { signal: "sentry", item: "event", count: 1, ...said },
  { signal: "answer", status: 500, ...said },
];
const scenarioOf = (expect: readonly Expectation[]) =>
  defineScenario({
    ...{ id: "db.test", title: "", summary: "", story: "", params: {}, expect },
    modes: ["fault", "control"],
  }) as Scenario;

const requests = (total: number) => reading("# TYPE requests counter", `requests_total ${total}`);
const right = evidenceOf({
  spans: [
    span({ id: "root", service: "lab-cli", name: "scenario.run", attributes: ofRun() }),
    span({ id: "post", parent: "root", name: "POST", status: 2, attributes: ofRun() }),
    span({
      ...{ id: "sql", parent: "post", name: "SELECT orders", kind: 3, startMs: 1 },
      attributes: { ...ofRun(), "db.system.name": "postgresql" },
    }),
    span({ ...{ id: "job", parent: "post", name: "job" }, links: [{ id: "post" }] }),
  ],
  logs: [log({ span: "post", attributes: ofRun() })],
  sentry: [sentryItem()],
  metrics: metricEvidence(requests(4), requests(5)),
  answer: { status: 500, durationMs: 3 },
});
const failedOf = (id: string): readonly number[] => {
  const mutated = mutants.find((one) => one.id === id)?.apply(right);
  if (mutated === undefined) throw new Error(`${id} changed nothing`);
  return judge(expectations, mutated)
    .filter(({ verdict }) => verdict === "fail")
    .map(({ index }) => index);
};

test("the evidence is right before it is broken", () => {
  expect(judge(expectations, right).map(({ verdict }) => verdict)).toEqual(
    expectations.map(() => "pass"),
  );
});

test.each([
  ["split-trace", 0],
  ["drop-status", 1],
  ["rename-span", 2],
  ["drop-links", 3],
  ["double-metric", 4],
  ["uncorrelated-logs", 5],
  ["silent-sentry", 6],
  ["orphan-child", 0],
])("%s breaks the check that looks there", (id, index) => {
  expect(failedOf(id)).toContain(index);
});

/** Services can crash in any run, and be seen to. */
const alwaysApplies = new Set(["stray-restarts"]);

test.each(mutants.filter(({ id }) => !alwaysApplies.has(id)))(
  "$id leaves evidence alone that has nothing of the kind",
  ({ apply }) => {
    expect(apply(evidenceOf({ answer: null }))).toBeUndefined();
  },
);

test.each(mutants)("$id changes no evidence in place", ({ apply }) => {
  const before = JSON.stringify(right);
  apply(right);
  expect(JSON.stringify(right)).toBe(before);
});

test("every mutant has an id of its own", () => {
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
});

test("a mutant that no check notices survives, one that nothing can be broken by does not count", () => {
  const blind = scenarioOf([{ signal: "answer", status: 500, ...said }]);
  const matrix = selfTest([
    { scenario: blind, passed: [{ ...right, metrics: null }], apart: null },
  ]);
  expect(survivors(matrix)).toEqual(expect.arrayContaining(["split-trace", "silent-sentry"]));
  expect(survivors(matrix)).not.toContain("no-answer");
  expect(matrix.mutants.find(({ id }) => id === "double-metric")?.outcome).toBe("none");
  expect(matrixLines(matrix).join("\n")).toContain("NOT CAUGHT");
});

test("a check is vacuous that neither a mutant nor another run makes fail", () => {
  const absent = (name: string): Expectation => ({
    ...{ signal: "span", select: { name }, count: 0, modes: ["control"], ...said },
  });
  const wide = scenarioOf([...expectations, absent("SELECT orders"), absent("SELECT ordres")]);
  const control = { ...right, mode: "control" as const, traces: [] };
  const fault = { ...right, runId: "f".repeat(26) };
  const passed = [JSON.parse(JSON.stringify(fault).replaceAll(right.runId, fault.runId)), control];
  const matrix = selfTest([{ scenario: wide, passed, apart: null }]);
  // The other run leaves what the first one's name says, and nothing of the misspelt name.
  expect(matrix.vacuous).toEqual({ "db.test": [9] });
  expect(vacuousChecks(matrix)).toEqual(["db.test expect[9]"]);
  expect(matrixLines(matrix).join("\n")).toContain("cannot fail: db.test expect[9]");
});

test("what is expected of one mode and met by another is not thereby seen to fail", () => {
  const silent: Expectation = {
    ...{ signal: "sentry", item: "log", count: 0, modes: ["control"], ...said },
  };
  const matrix = selfTest([
    {
      scenario: scenarioOf([silent]),
      passed: [right, { ...right, mode: "control" }],
      apart: null,
    },
  ]);
  expect(matrix.vacuous).toEqual({ "db.test": [0] });
});

test("a check that this lab has no source for is not called vacuous", () => {
  const grey = { ...right, sources: { ...right.sources, sentry: "absent" as const } };
  const none: Expectation = { signal: "sentry", item: "log", count: 0, ...said };
  const matrix = selfTest([{ scenario: scenarioOf([none]), passed: [grey], apart: null }]);
  expect(matrix.vacuous).toEqual({ "db.test": [] });
});

test("the running app is broken where there is something to break and its recorded form is caught", () => {
  const failedQuery = span({
    ...{ id: "bad", parent: "post", status: 2, kind: 3 },
    attributes: { ...ofRun(), "db.system.name": "postgresql" },
  });
  const broken = { ...right, traces: [...right.traces, traceOf([failedQuery])] };
  const seeing = scenarioOf([
    { signal: "span", select: { status: "error", kind: "client" }, count: 1, ...said },
  ]);
  const blind = scenarioOf([{ signal: "span", select: { kind: "client" }, ...said }]);
  const trialsOf = (scenario: Scenario) => {
    const recorded = [{ scenario, passed: [broken], apart: null }];
    return planTrials(recorded).map(({ mutant }) => mutant);
  };
  expect(trialsOf(seeing)).toEqual(["drop-database-status"]);
  expect(trialsOf(blind)).toEqual([]);
  expect(trialsOf({ ...seeing, stage: true })).toEqual([]);
});

test("a mutant of the running app that nobody notices survives", () => {
  const matrix = selfTest([]);
  const scenario = scenarioOf([]);
  const found = withTrials(matrix, [{ mutant: "silence-sentry", scenario, cell: "missed" }]);
  expect(survivors(found)).toEqual(["silence-sentry in the running app"]);
  expect(survivors(withTrials(matrix, []))).toEqual([]);
});

test("a control run is held against what is expected of the fault alone", () => {
  const both: Expectation = {
    signal: "log",
    count: { gte: 0 },
    modes: ["fault", "control"],
    ...said,
  };
  const control = { ...right, mode: "control" as const, sentry: [] };
  expect(tellApart([...expectations, both], control)).toEqual({
    failed: [6],
    met: [0, 1, 2, 3, 4, 5],
  });
});
