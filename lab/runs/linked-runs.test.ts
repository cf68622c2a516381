import { expect, test } from "vitest";
import { ended, openRunsUnderTest, root, traceId } from "./testing/runs-under-test.ts";

test("a run leads to Grafana while it runs, in the window in which the run was", async () => {
  await using lab = await openRunsUnderTest();
  const labels = async (): Promise<readonly string[]> => {
    const { runId } = await lab.runs.create({ scenario: "db.test" });
    lab.runs.observe(runId, ended);
    lab.store.add({ traceId, runId, spans: [root] });
    const run = await lab.until((one) => one.runId === runId && one.state === "settled");
    for (const { href, label } of run.links.filter(({ href }) => href.startsWith("http"))) {
      expect(href, label).toContain(String((run.endedAt ?? 0) + 30_000));
    }
    return run.links.map(({ label }) => label);
  };
  expect(await labels()).toEqual(["Raw trace (OTLP JSON)"]);
  lab.double.setUrl("grafana", "http://127.0.0.1:3000");
  lab.double.setRow("grafana", { state: "starting" });
  expect(await labels()).toEqual(["Raw trace (OTLP JSON)"]);
  lab.double.setRow("grafana", { state: "ready" });
  expect(await labels()).toEqual([
    ...["Raw trace (OTLP JSON)", "Trace in Grafana", "Logs in Grafana"],
    ...["Lab overview in Grafana", "PostgreSQL in Grafana"],
  ]);
});
