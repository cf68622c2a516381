import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Expectation } from "#scenarios/expectation.ts";
import type { LogRecord } from "../api/logs.ts";
import type { OtlpTrace } from "../api/otlp.ts";
import { scenario } from "../front-door/testing/door-under-test.ts";
import { span, spanIdOf, traceIdOf, traceOf } from "../judge/factories.ts";
import type { ServiceId } from "../services/ids.ts";
import {
  type LokiDouble,
  openLokiDouble,
  openTempoDouble,
  type TempoDouble,
} from "../sources/testing/backend-doubles.ts";
import { judgeChoiceFor } from "./backends.ts";
import { ended, openRunsUnderTest } from "./testing/runs-under-test.ts";

const said = { why: "It matters.", hint: "Look." };
const count = (name: string, wanted: number): Expectation => ({
  ...{ signal: "span", select: { name }, count: wanted, ...said },
});
const line: Expectation = { signal: "log", body: "line", count: 1, ...said };

let tempo: TempoDouble;
let loki: LokiDouble;
beforeAll(async () => {
  [tempo, loki] = await Promise.all([openTempoDouble(), openLokiDouble()]);
});
afterAll(() => Promise.all([tempo.close(), loki.close()]));
beforeEach(() => {
  tempo.answerWith(200);
  loki.answerWith(200);
});

type Lab = Awaited<ReturnType<typeof openRunsUnderTest>>;

/** A lab with a Collector, and with the backends that the doubles are. */
async function openLab(expect: readonly Expectation[], patienceMs?: number): Promise<Lab> {
  const patience = { quietMs: 30, rootWithinMs: 150, missingWithinMs: 60, tailMs: 60_000 };
  const asking = { withinMs: patienceMs ?? 200, pollMs: 5 };
  const lab = await openRunsUnderTest([scenario({ expect })], patience, undefined, asking);
  lab.double.setRow("collector", { state: "ready" });
  for (const [id, { url }] of [["tempo", tempo] as const, ["loki", loki] as const]) {
    lab.double.setRow(id, { state: "ready" });
    lab.double.setUrl(id, url);
  }
  return lab;
}

let runs = 0;
const names = ["root", "SELECT orders"] as const;

/** A run whose driver has ended, with two spans and a line in the store. */
async function driven(lab: Lab) {
  const trace = ++runs;
  const traceId = traceIdOf(trace);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.store.add({
    ...{ traceId, runId, logs: 1 },
    spans: names.map((name) => ({
      ...{ name, spanId: spanIdOf(name), service: name === "root" ? "lab-web" : "lab-server" },
    })),
  });
  lab.runs.observe(runId, { ...ended, traceId });
  const record: LogRecord = {
    ...{ seq: 0, traceId, timeUnixNano: "1", severity: "info", body: "line" },
    ...{ service: "lab-server", spanId: null, attributes: {} },
  };
  const inTempo = (...kept: readonly string[]): OtlpTrace =>
    traceOf(kept.map((name) => span({ trace, id: name, name })));
  const settled = () => lab.until((run) => run.runId === runId && run.state === "settled");
  return { runId, record, inTempo, settled };
}

test("a run is judged by what Tempo and Loki say, and says so", async () => {
  await using lab = await openLab([count("SELECT orders", 1), line]);
  const { record, inTempo, settled } = await driven(lab);
  tempo.put(inTempo(...names));
  loki.put(record);
  const run = await settled();
  expect(run).toMatchObject({
    verdict: "pass",
    judgedBy: { traces: "tempo", logs: "loki", sentry: "store" },
    checks: [
      { query: { language: "traceql", asked: "tempo" } },
      { query: { language: "logql", asked: "loki", text: expect.stringContaining(run.runId) } },
    ],
  });
  expect(JSON.parse(lab.runs.evidence(run.runId) ?? "")).toMatchObject({
    judgedBy: { traces: "tempo" },
    logs: [{ body: "line" }],
  });
});

test("what comes to a backend late is waited for", async () => {
  await using lab = await openLab([count("SELECT orders", 1), line], 20_000);
  const { record, inTempo, settled, runId } = await driven(lab);
  tempo.put(inTempo("root"));
  await tempo.asked(3);
  expect(lab.runs.get(runId)?.state).toBe("settling");
  tempo.put(inTempo(...names));
  await loki.asked(3);
  expect(lab.runs.get(runId)?.state).toBe("settling");
  loki.put(record);
  expect((await settled()).verdict).toBe("pass");
});

test("a span that only the store has is a failure that says where it is missing", async () => {
  await using lab = await openLab([count("SELECT orders", 1)]);
  const { record, inTempo, settled } = await driven(lab);
  tempo.put(inTempo("root"));
  loki.put(record);
  expect(await settled()).toMatchObject({
    verdict: "fail",
    checks: [{ seen: expect.stringContaining("1 span is in the store and not in Tempo") }],
  });
});

test("an absence that is none but for what the backend lacks is not shown", async () => {
  await using lab = await openLab([count("SELECT orders", 0), count("INSERT orders", 0)]);
  const { record, inTempo, settled } = await driven(lab);
  tempo.put(inTempo("root"));
  loki.put(record);
  expect((await settled()).checks.map(({ state }) => state)).toEqual(["inconclusive", "pass"]);
});

test.each([
  ["tempo", "inconclusive", "pass"],
  ["loki", "pass", "inconclusive"],
] as const)("when %s does not answer, its checks have no verdict", async (id, spans, logs) => {
  await using lab = await openLab([count("SELECT orders", 1), line]);
  const { record, inTempo, settled } = await driven(lab);
  tempo.put(inTempo(...names));
  loki.put(record);
  (id === "tempo" ? tempo : loki).answerWith(500);
  expect((await settled()).checks.map(({ state }) => state)).toEqual([spans, logs]);
});

test("a run may ask for the store's word, whatever backends there are", async () => {
  await using lab = await openLab([count("work", 1)]);
  const traceId = traceIdOf(++runs);
  const { runId } = await lab.runs.create({ scenario: "db.test", judge: "store" });
  lab.store.add({ traceId, runId, spans: [{ service: "lab-web" }] });
  lab.runs.observe(runId, { ...ended, traceId });
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({ verdict: "pass", judgedBy: { traces: "store", logs: "store" } });
});

test("backends have the word where real ones get what the app sends, or where somebody wants it", async () => {
  await using lab = await openRunsUnderTest();
  const { system } = lab.double;
  const choice = () => judgeChoiceFor(undefined, system);
  expect(choice()).toBe("store");
  const becomes = (id: ServiceId, state: "ready" | "unavailable") =>
    lab.double.setRow(id, { state });
  becomes("loki", "ready");
  expect(choice()).toBe("store");
  becomes("collector", "ready");
  expect(choice()).toBe("backends");
  becomes("loki", "unavailable");
  expect(choice()).toBe("store");
  expect(judgeChoiceFor("backends", system)).toBe("backends");
});
