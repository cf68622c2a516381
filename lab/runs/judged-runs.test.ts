import { expect, test } from "vitest";
import type { Expectation } from "#scenarios/expectation.ts";
import { scenario } from "../front-door/testing/door-under-test.ts";
import type { AppHandler } from "../front-door/testing/system-double.ts";
import type { Evidence } from "../judge/evidence.ts";
import { ended, openRunsUnderTest, otherTrace, root, traceId } from "./testing/runs-under-test.ts";

const said = { why: "It matters.", hint: "Look." };
const query: Expectation = {
  ...{ signal: "span", select: { name: "SELECT orders", kind: "client" }, count: 1 },
  ...said,
};
const silence: Expectation = { signal: "sentry", item: "event", count: 0, ...said };
const scenarioOf = (...expect: readonly Expectation[]) => scenario({ expect });
const select = { service: "lab-server", name: "SELECT orders", kind: 3 };
const patience = { quietMs: 30, rootWithinMs: 150, missingWithinMs: 400, tailMs: 60_000 };

test("a run whose evidence is what was expected passes, once it has settled and not before", async () => {
  await using lab = await openRunsUnderTest([scenarioOf(query, silence)]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.store.add({ traceId, runId, spans: [root, select] });
  lab.runs.observe(runId, ended);
  const run = await lab.until(({ state }) => state === "settled");
  expect(run.verdict).toBe("pass");
  expect(run.checks[0]).toMatchObject({
    ...{ state: "pass", expected: expect.stringContaining("SELECT orders"), nearest: null },
    query: { language: "traceql" },
  });
  const before = lab.changes.filter(({ state }) => state !== "settled");
  expect(before.map(({ verdict }) => verdict)).toEqual(before.map(() => "pending"));
});

test("a failed check says what was seen and what came nearest", async () => {
  await using lab = await openRunsUnderTest([scenarioOf(query)]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.store.add({ traceId, runId, spans: [root, { ...select, name: "SELECT products" }] });
  lab.runs.observe(runId, ended);
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({
    verdict: "fail",
    checks: [
      {
        state: "fail",
        nearest: {
          title: expect.stringContaining("SELECT products"),
          ticks: expect.arrayContaining([
            expect.objectContaining({ predicate: "name", ok: false }),
            expect.objectContaining({ predicate: "kind", ok: true }),
          ]),
        },
      },
    ],
  });
  expect(run.checks).toMatchObject(lab.records.get(runId)?.checks ?? []);
});

test("what is missing when all is quiet is waited for, and counts when it comes", async () => {
  const complete = scenario({ id: "db.complete", expect: [silence] });
  await using lab = await openRunsUnderTest([scenarioOf(query, silence), complete], {
    ...patience,
    missingWithinMs: 60_000,
  });
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root] });
  await lab.until(({ counts }) => counts.spans === 1);
  // One that misses nothing, ended later: the first has been quiet for longer when it settles.
  const other = (await lab.runs.create({ scenario: "db.complete" })).runId;
  lab.runs.observe(other, { ...ended, traceId: otherTrace });
  lab.store.add({ traceId: otherTrace, runId: other, spans: [root] });
  await lab.until((run) => run.runId === other && run.state === "settled");
  expect(lab.runs.get(runId)?.state).toBe("settling");
  lab.store.add({ traceId, runId, spans: [select] });
  const run = await lab.until((one) => one.runId === runId && one.state === "settled");
  expect(run.verdict).toBe("pass");
});

test("what has failed for good is not waited for", async () => {
  await using lab = await openRunsUnderTest([scenarioOf(silence)], {
    ...patience,
    missingWithinMs: 60_000,
  });
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root], events: 1 });
  expect((await lab.until(({ state }) => state === "settled")).verdict).toBe("fail");
});

test("what comes after the verdict is counted and does not change it", async () => {
  await using lab = await openRunsUnderTest([scenarioOf(silence)]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root] });
  await lab.until(({ state }) => state === "settled");
  lab.store.add({ traceId, runId, events: 1 });
  const late = await lab.until(({ counts }) => counts.sentry === 1);
  expect(late).toMatchObject({ verdict: "pass", checks: [{ state: "pass" }] });
});

test("traces that a span links to are evidence too", async () => {
  const linked: Expectation = {
    ...{ signal: "span", select: { name: "consumer", linksTo: { name: "producer" } } },
    ...said,
  };
  await using lab = await openRunsUnderTest([scenarioOf(linked)]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const producer = { service: "lab-server", name: "producer", spanId: "00000000000000aa" };
  lab.store.add({ traceId: otherTrace, spans: [producer] });
  const links = [{ traceId: otherTrace, spanId: producer.spanId }];
  lab.store.add({ traceId, runId, spans: [root, { ...select, name: "consumer", links }] });
  lab.runs.observe(runId, ended);
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({ verdict: "pass", traceIds: [traceId], counts: { spans: 2 } });
});

test("a store that is away until the deadline leaves the run inconclusive", async () => {
  const short = { ...scenarioOf(query), timeoutMs: -9_500 };
  await using lab = await openRunsUnderTest([short], patience);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.double.setUrl("store", undefined);
  lab.runs.observe(runId, ended);
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({
    verdict: "inconclusive",
    checks: [{ state: "inconclusive", seen: expect.stringContaining("did not answer") }],
  });
});

test("a run that nobody ended is inconclusive where it still waited", async () => {
  const short = { ...scenarioOf(query), timeoutMs: -9_900 };
  await using lab = await openRunsUnderTest([short]);
  await lab.runs.create({ scenario: "db.test" });
  const run = await lab.until(({ state }) => state === "expired");
  expect(run).toMatchObject({ verdict: "inconclusive", checks: [{ state: "inconclusive" }] });
});

test("the exit of a process is told with its code", async () => {
  const crash: Expectation = {
    ...{ signal: "component", component: "server", exitCode: 70, restarts: 1 },
    ...said,
  };
  await using lab = await openRunsUnderTest([{ ...scenarioOf(crash), leases: ["server"] }]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.double.setRow("server", { state: "backing-off", exitCode: 70 });
  lab.double.setRow("server", { state: "starting", restarts: 1 });
  lab.double.setRow("server", { state: "ready" });
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root] });
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({ verdict: "pass", exitCodes: { server: [70] } });
});

/** An app that exposes one counter; null: its metrics port answers 500. */
function counting(start: number | null) {
  let total = start;
  const app: AppHandler = (request, response) => {
    if (request.url !== "/metrics" || total === null) return response.writeHead(500).end();
    response.writeHead(200, { "content-type": "application/openmetrics-text; version=1.0.0" });
    response.end(
      `# TYPE orders counter\norders_total ${total}\n# TYPE other counter\nother_total 1\n# EOF\n`,
    );
  };
  return { app, set: (value: number | null) => (total = value) };
}
const counted: Expectation = { signal: "metric", name: "orders_total", delta: 3, ...said };

test("a metric counts from before the ticket is given out to after the end", async () => {
  const { app, set } = counting(4);
  await using lab = await openRunsUnderTest([scenarioOf(counted)], patience, app);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  set(7);
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root] });
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({
    verdict: "pass",
    checks: [{ seen: expect.stringContaining("changed by 3") }],
  });
  const evidence = JSON.parse(lab.runs.evidence(runId) ?? "") as Evidence;
  const names = evidence.metrics?.latest?.samples.map(({ name }) => name);
  expect(names).toEqual(["orders_total"]);
});

test("metrics that cannot be read leave the check inconclusive, before the run and after it", async () => {
  const { app, set } = counting(null);
  await using lab = await openRunsUnderTest([scenarioOf(counted)], patience, app);
  const first = (await lab.runs.create({ scenario: "db.test" })).runId;
  set(4);
  const second = (await lab.runs.create({ scenario: "db.test" })).runId;
  set(null);
  for (const [index, runId] of [first, second].entries()) {
    const trace = [traceId, otherTrace][index] ?? "";
    lab.runs.observe(runId, { ...ended, traceId: trace });
    lab.store.add({ traceId: trace, runId, spans: [root] });
    const run = await lab.until((one) => one.runId === runId && one.state === "settled");
    expect(run.verdict).toBe("inconclusive");
  }
});

test("evidence of a run is kept when the run takes no more in, and judges the same", async () => {
  await using lab = await openRunsUnderTest([scenarioOf(query)], { ...patience, tailMs: 5 });
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.store.add({ traceId, runId, spans: [root, select] });
  lab.runs.observe(runId, ended);
  await lab.until(({ state }) => state === "settled");
  await expect.poll(() => observable(lab, runId)).toBe("run-closed");
  const evidence = JSON.parse(lab.runs.evidence(runId) ?? "") as Evidence;
  expect(evidence).toMatchObject({ runId, settled: true, traceIds: [traceId] });
  expect(lab.runs.evidence("0".repeat(26))).toBeUndefined();
});

function observable(lab: Awaited<ReturnType<typeof openRunsUnderTest>>, runId: string): string {
  try {
    lab.runs.observe(runId, ended);
    return "taken";
  } catch (error) {
    return (error as { code: string }).code;
  }
}
