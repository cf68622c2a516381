import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CreatedRun, type RunRecord, routes, type StatusBody } from "#lab/api.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import {
  cli,
  labEnvironment,
  leftBehind,
  newLabDir,
  processesOf,
  removeLabDir,
  runningIn,
} from "#lab/testing/lab-under-test.ts";
import { watchRun } from "./run-watch.ts";
import { ask, type LabAddress } from "./running-lab.ts";

const ownCatalogue = {
  LAB_SCENARIOS: join(repositoryDir, "lab/testing/faulted-scenarios"),
};
const scenario = "db.cut-off";
let dir: string;
beforeAll(async () => {
  dir = await newLabDir();
  expect(labEnvironment(dir).LAB_DIR).toBe(dir);
  await start();
}, 120_000);
afterAll(async () => {
  await cli(dir, ["down"]);
  await removeLabDir(dir);
}, 60_000);

async function start(): Promise<void> {
  const { code, err } = await cli(dir, ["up", "--detach", "--no-open"], ownCatalogue);
  expect(code, err).toBe(0);
}

const addressOf = async (): Promise<LabAddress> => ({
  origin: (await runningIn(dir)).origin ?? "",
  token: undefined,
});

/** Breaks everything, and leaves it at that: whoever was to drive the run is gone. */
async function breakOff(toxic: "hang" | "down"): Promise<CreatedRun> {
  const body = { scenario, mode: "fault", params: { toxic } };
  return ask<CreatedRun>(await addressOf(), routes.runs, { method: "POST", body });
}

/** The same work without the fault, which needs all that was broken. */
async function control(): Promise<RunRecord> {
  const { code, out, err } = await cli(
    dir,
    ["run", scenario, "--mode", "control", "--json"],
    ownCatalogue,
  );
  expect(code, out + err).toBe(0);
  return (JSON.parse(out) as { run: RunRecord }).run;
}

test("the driver dies, and the app with it: the run ends at its deadline and leaves nothing broken", async () => {
  const lab = await addressOf();
  const { runId } = await breakOff("hang");
  const { services } = await ask<StatusBody>(lab, routes.status);
  process.kill(services.find(({ id }) => id === "server")?.pid ?? Number.NaN, "SIGKILL");
  const watch = await watchRun(lab, runId);
  const record = await watch.ended(60_000);
  watch.close();
  expect(record).toMatchObject({ state: "expired", verdict: expect.not.stringMatching("pass") });
  expect(await control()).toMatchObject({ verdict: "pass", answer: { status: 200 } });
}, 120_000);

test("the lab dies: nothing of it goes on, and the next one finds nothing broken", async () => {
  const before = await runningIn(dir);
  const processes = processesOf(dir, before);
  const { runId } = await breakOff("down");
  process.kill(before.pid, "SIGKILL");
  await start();
  expect(await leftBehind(processes, null)).toEqual([]);
  const cut = await ask<RunRecord>(await addressOf(), routes.run(runId));
  expect(cut.state).toBe("expired");
  expect(await control()).toMatchObject({ verdict: "pass", answer: { status: 200 } });
}, 120_000);
