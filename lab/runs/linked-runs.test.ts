import { expect, test } from "vitest";
import type { RunRecord } from "../api/runs.ts";
import type { ServiceStatus } from "../api/services.ts";
import type { ServiceId } from "../services/ids.ts";
import { ended, openRunsUnderTest, root, traceId } from "./testing/runs-under-test.ts";

type Lab = Awaited<ReturnType<typeof openRunsUnderTest>>;
const backends = ["tempo", "loki", "prometheus"] as const;

function place(
  { double }: Lab,
  id: ServiceId,
  port: number,
  part: Partial<ServiceStatus> = {},
): void {
  double.setUrl(id, `http://127.0.0.1:${port}`);
  double.setRow(id, { state: "ready", kind: "real", version: "2.8.0", ...part });
}

async function runOnce(lab: Lab): Promise<RunRecord> {
  const { runId } = await lab.runs.create({ scenario: "db.test", judge: "store" });
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root] });
  await lab.until((one) => one.runId === runId && one.state === "settled");
  return read(lab, runId);
}

function read({ runs }: Lab, runId: string): RunRecord {
  const run = runs.get(runId);
  if (run === undefined) throw new Error(`no run ${runId}`);
  return run;
}

const labels = ({ links }: RunRecord) => links.map(({ label }) => label);
const hosts = ({ links }: RunRecord) => [
  ...new Set(links.flatMap(({ href }) => (href?.startsWith("http") ? [new URL(href).host] : []))),
];
const reasons = ({ links }: RunRecord) =>
  links.flatMap((link) => (link.href === null ? [`${link.label}: ${link.why}`] : []));

test("a run leads to Grafana while it runs, in the window in which the run was", async () => {
  await using lab = await openRunsUnderTest();
  expect(labels(await runOnce(lab))).toEqual(["Raw trace (OTLP JSON)"]);
  for (const [n, id] of backends.entries()) place(lab, id, 3001 + n);
  place(lab, "grafana", 3000, { state: "starting" });
  expect(reasons(await runOnce(lab))).toEqual(["Grafana: Grafana does not run at the moment."]);
  place(lab, "grafana", 3000);
  const run = await runOnce(lab);
  expect(labels(run)).toEqual([
    ...["Raw trace (OTLP JSON)", "Trace in Tempo (JSON)", "Trace in Grafana", "Logs in Grafana"],
    ...["Lab overview in Grafana", "PostgreSQL in Grafana"],
  ]);
  for (const { href, label } of run.links.filter(({ href }) => href?.includes(":3000/"))) {
    expect(href, label).toContain(String((run.endedAt ?? 0) + 30_000));
  }
});

test("an old run leads to where the services are when it is read", async () => {
  await using lab = await openRunsUnderTest();
  for (const [n, id] of backends.entries()) place(lab, id, 3001 + n);
  place(lab, "grafana", 3000);
  const { runId } = await runOnce(lab);
  expect(hosts(read(lab, runId))).toEqual(["127.0.0.1:3001", "127.0.0.1:3000"]);
  place(lab, "tempo", 4001);
  place(lab, "grafana", 4000);
  const moved = read(lab, runId);
  expect(hosts(moved)).toEqual(["127.0.0.1:4001", "127.0.0.1:4000"]);
  expect(lab.runs.list({ limit: 1 })).toEqual([moved]);
  expect(JSON.stringify(lab.records.get(runId))).not.toContain("127.0.0.1");
});

test("a service that went away is told with the runs that it showed, and with no others", async () => {
  await using lab = await openRunsUnderTest();
  place(lab, "tempo", 3001);
  const { runId: with1 } = await runOnce(lab);
  lab.double.setRow("tempo", { state: "crash-looping" });
  expect(reasons(read(lab, with1))).toEqual([
    "Trace in Tempo (JSON): Tempo does not run at the moment.",
  ]);
  lab.double.setRow("tempo", { state: "unavailable", kind: "absent", version: null });
  expect(reasons(read(lab, with1))).toEqual([
    "Trace in Tempo (JSON): Tempo is not part of this lab now.",
  ]);
  const without = await runOnce(lab);
  expect(labels(without)).toEqual(["Raw trace (OTLP JSON)"]);
  place(lab, "tempo", 3001);
  expect(labels(read(lab, without.runId))).toEqual(["Raw trace (OTLP JSON)"]);
});

test("a run of one runtime says on the other what cannot show it there", async () => {
  await using lab = await openRunsUnderTest();
  const image = { version: "3.1.0 (image)" };
  for (const [n, id] of backends.entries()) place(lab, id, 3001 + n, image);
  place(lab, "grafana", 3000, image);
  const { runId } = await runOnce(lab);
  const gone = { state: "unavailable", kind: "absent", version: null } as const;
  lab.double.setRow("grafana", gone);
  lab.double.setRow("tempo", gone);
  const hint = "the run was made in containers (npm run lab -- --runtime compose).";
  expect(reasons(read(lab, runId))).toEqual([
    `Trace in Tempo (JSON): Tempo is not part of this lab now: ${hint}`,
    `Grafana: Grafana is not part of this lab now: ${hint}`,
  ]);
  place(lab, "tempo", 3001);
  expect(reasons(read(lab, runId))[0]).toBe(
    "Trace in Tempo (JSON): Tempo has other data now: the run was made with 3.1.0 (image).",
  );
});
