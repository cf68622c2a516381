import { expect, test } from "vitest";
import {
  evidenceOf,
  log,
  metricEvidence,
  ofRun,
  reading,
  sentryItem,
  span,
} from "#lab/judge/factories.ts";
import { judge } from "#lab/judge/judge.ts";
import { defineScenario, type Expectation, type Scenario } from "#scenarios/define.ts";
import { mutants } from "./mutants.ts";
import { tellApart } from "./result.ts";
import { matrixLines, selfTest, survivors } from "./self-test.ts";

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

test.each(mutants)("$id leaves evidence alone that has nothing of the kind", ({ apply }) => {
  expect(apply(evidenceOf())).toBeUndefined();
});

test("a mutant that no check notices survives, one that nothing can be broken by does not count", () => {
  const blind = scenarioOf([{ signal: "answer", status: 500, ...said }]);
  const matrix = selfTest([
    { scenario: blind, passed: [{ ...right, metrics: null }], apart: null },
  ]);
  expect(survivors(matrix)).toEqual(
    mutants.map(({ id }) => id).filter((id) => id !== "double-metric"),
  );
  expect(matrix.mutants.find(({ id }) => id === "double-metric")?.outcome).toBe("none");
  expect(matrixLines(matrix).join("\n")).toContain("NOT CAUGHT");
});

test("every check of telemetry that was never seen to fail is named", () => {
  const vacuous: Expectation = { signal: "span", select: { name: "nobody" }, count: 0, ...said };
  const wide = scenarioOf([...expectations, vacuous]);
  const matrix = selfTest([{ scenario: wide, passed: [right], apart: null }]);
  expect(survivors(matrix)).toEqual([]);
  expect(matrix.unshaken["db.test"]).toEqual([8]);
  expect(matrixLines(matrix).join("\n")).toContain("never seen to fail: db.test expect[8]");
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
