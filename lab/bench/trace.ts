import { randomBytes } from "node:crypto";
import { header, rootSpanName } from "#scenarios/names.ts";
import type { OtlpTrace } from "../api/otlp.ts";
import { routes } from "../api/routes.ts";
import type { Benchmark } from "./benchmark.ts";
import { type LabUnderTest, startLab } from "./lab-under-test.ts";
import { digits, percentile } from "./statistics.ts";

const scenario = "db.n-plus-one";
const queries = 10;
const rounds = 200;

/** How long after the answer (the server's root span has ended) every span of the request is readable. */
export const traceBenchmark: Benchmark = {
  id: "trace",
  title: `Root span ended → whole trace readable (${scenario}, ${queries} items)`,
  run: async () => {
    await using lab = await startLab();
    const whole = await settledSpanCount(lab, (await drive(lab)).traceId);
    const waits: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const { traceId, answeredAt } = await drive(lab);
      let readableAt = performance.now();
      while ((await spanCount(lab, traceId)) < whole) readableAt = performance.now();
      waits.push(readableAt - answeredAt);
    }
    return [50, 99].map((p) => ({
      what: `p${p}, read through the front door`,
      value: `${digits(percentile(waits, p))} ms`,
      bound: p === 50 ? "≤ 20 ms (aim 5 ms)" : "≤ 150 ms (aim 50 ms)",
      samples: rounds,
    }));
  },
};

async function drive(lab: LabUnderTest): Promise<{ traceId: string; answeredAt: number }> {
  const { runId, ticket, drive: target } = await lab.createRun(scenario, { n: queries });
  const traceId = randomBytes(16).toString("hex");
  const response = await fetch(lab.origin + target.path, {
    method: target.method,
    headers: {
      "content-type": "application/json",
      [header.csrf]: "1",
      [header.ticket]: ticket,
      traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-01`,
      baggage: `lab.run.id=${runId},lab.scenario.id=${scenario},lab.scenario.mode=fault`,
    },
    body: "{}",
  });
  await response.arrayBuffer();
  const answeredAt = performance.now();
  if (!response.ok) throw new Error(`${rootSpanName(scenario)} answered ${response.status}`);
  await report(lab, runId, traceId, response.status);
  return { traceId, answeredAt };
}

/** Frees the run's place; the lab holds a run open until its driver says that it ended. */
async function report(lab: LabUnderTest, runId: string, traceId: string, status: number) {
  const observation = {
    driver: "lab-cli",
    traceId,
    answer: { status, durationMs: 0 },
    ended: true,
  };
  await fetch(lab.origin + routes.observations(runId), {
    method: "POST",
    headers: { "content-type": "application/json", [header.csrf]: "1" },
    body: JSON.stringify(observation),
  });
}

async function spanCount(lab: LabUnderTest, traceId: string): Promise<number> {
  const response = await fetch(lab.origin + routes.trace(traceId));
  if (!response.ok) {
    await response.arrayBuffer();
    return 0;
  }
  const { resourceSpans } = (await response.json()) as OtlpTrace;
  return resourceSpans
    .flatMap((resource) => resource.scopeSpans)
    .reduce((sum, scope) => sum + scope.spans.length, 0);
}

/** The count that did not change for a second: what "whole" means in this run. */
async function settledSpanCount(lab: LabUnderTest, traceId: string): Promise<number> {
  let count = 0;
  let since = performance.now();
  while (performance.now() - since < 1000) {
    const now = await spanCount(lab, traceId);
    if (now !== count) [count, since] = [now, performance.now()];
  }
  if (count < queries) throw new Error(`a trace of ${count} spans is not the whole of it`);
  return count;
}
