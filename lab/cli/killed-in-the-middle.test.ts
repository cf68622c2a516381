import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { routes } from "#lab/api/routes.ts";
import { longWaitForOthersMs } from "#lab/api/run-request.ts";
import type { RunRecord, RunsBody } from "#lab/api/runs.ts";
import type { StatusBody } from "#lab/api/services.ts";
import { openFactReader } from "#lab/runtimes/embedded-facts.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { loadSecrets } from "#lab/state/secrets.ts";
import type { SystemFact } from "#lab/system.ts";
import {
  cli,
  labEnvironment,
  leftBehind,
  newLabDir,
  processesOf,
  removeLabDir,
  runningIn,
} from "#lab/testing/lab-under-test.ts";
import { shuffled } from "#lab/verify/plan.ts";
import { loadCatalogue, scenariosFolder } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { performRun } from "./perform-run.ts";
import { ask, type LabAddress } from "./running-lab.ts";

/** `LAB_KILL_ROUNDS` tries more moments, `LAB_KILL_SEED` the same ones again. */
const rounds = Number(process.env.LAB_KILL_ROUNDS ?? 5);
const seed = Number(process.env.LAB_KILL_SEED ?? Date.now() % 1_000_000);
/** Which of what belongs to a run dies, at what moment of the run, in milliseconds. */
interface Death {
  readonly victim: "driver" | "app" | "lab";
  readonly scenario: string;
  readonly mode: "fault" | "fix";
}
const deaths: readonly Death[] = [
  // Breaks connections, pauses a service, stops another.
  { victim: "lab", scenario: "db.cut-off", mode: "fault" },
  { victim: "app", scenario: "db.cut-off", mode: "fault" },
  { victim: "driver", scenario: "db.cut-off", mode: "fault" },
  // Change settings of Valkey and indexes of the database.
  { victim: "app", scenario: "cache.eviction", mode: "fault" },
  { victim: "lab", scenario: "db.missing-index", mode: "fix" },
];
const plan = Array.from({ length: Math.ceil(rounds / deaths.length) }, (_, cycle) =>
  shuffled(deaths, seed + cycle),
)
  .flat()
  .slice(0, rounds);
const moments = shuffled(
  plan.map((_, index) => Math.round((1_200 * (index + 0.5)) / plan.length)),
  seed,
);

let dir: string;
let usual: readonly SystemFact[];
let withValkey = false;
let cutOff: Scenario;
const ownCatalogue = { LAB_SCENARIOS: join(repositoryDir, "lab/testing/faulted-scenarios") };
const patience = { timeout: 60_000, interval: 150 };

beforeAll(async () => {
  dir = await newLabDir();
  cutOff = (await loadCatalogue(scenariosFolder(ownCatalogue))).get("db.cut-off") as Scenario;
  await start();
  await allReady();
  usual = await facts();
  withValkey = (await status()).services.some(({ id, kind }) => id === "valkey" && kind === "real");
}, 180_000);
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
const status = async () => ask<StatusBody>(await addressOf(), routes.status);
const newestRun = async () => (await ask<RunsBody>(await addressOf(), routes.runs)).runs[0];

/** Every service that this machine has is up, and none of its processes stands still. */
async function allReady(): Promise<void> {
  const notReady = async () =>
    (await status()).services
      .filter(({ kind, state }) => kind !== "absent" && state !== "ready")
      .map(({ id, state }) => `${id} ${state}`);
  await vi.waitFor(async () => expect(await notReady()).toEqual([]), patience);
  expect(standingStill((await status()).services.flatMap(({ pid }) => pid ?? []))).toEqual([]);
}

/** Indexes of the shop and settings of Valkey, read past the lab, once both have answered in time. */
async function facts(): Promise<readonly SystemFact[]> {
  const { services } = await status();
  const reader = openFactReader({ services: () => services }, await loadSecrets(dir));
  try {
    return await vi.waitFor(async () => {
      const seen = await reader.read();
      expect(new Set(seen.map(({ of }) => of))).toEqual(new Set(["postgres", "valkey"]));
      return seen;
    }, patience);
  } finally {
    await reader.close();
  }
}

function order({ scenario, mode }: Death): ChildProcess {
  const argv = [join(repositoryDir, "lab/bootstrap.mjs"), "lab", "run", scenario, "--mode", mode];
  return spawn(process.execPath, argv, {
    cwd: repositoryDir,
    env: labEnvironment(dir, ownCatalogue),
    stdio: "ignore",
  });
}

async function kill(victim: Death["victim"], driver: ChildProcess): Promise<void> {
  switch (victim) {
    case "driver":
      driver.kill("SIGKILL");
      return;
    case "app": {
      const { pid } = (await status()).services.find(({ id }) => id === "server") ?? {};
      process.kill(pid ?? Number.NaN, "SIGKILL");
      return;
    }
    case "lab": {
      const lab = await runningIn(dir);
      const processes = processesOf(dir, lab);
      process.kill(lab.pid, "SIGKILL");
      await expect.poll(() => leftBehind(processes, null), patience).toEqual([]);
      await start();
    }
  }
}

describe(`seed ${seed}`, () => {
  test.each(plan.map((death, index) => ({ ...death, ms: moments[index] ?? 0, round: index + 1 })))(
    "$round: the $victim is killed $ms ms into $scenario, and all is as before",
    async (death) => {
      const { victim, scenario, ms } = death;
      if (scenario === "cache.eviction" && !withValkey) return;
      const before = (await newestRun())?.runId;
      const driver = order(death);
      const gone = once(driver, "exit");
      await expect.poll(async () => (await newestRun())?.runId, patience).not.toBe(before);
      const { runId } = (await newestRun()) as RunRecord;
      await new Promise((resolve) => setTimeout(resolve, ms));
      await kill(victim, driver);

      const state = async () => (await ask<RunRecord>(await addressOf(), routes.run(runId))).state;
      await expect.poll(state, patience).toMatch(/^(settled|expired|abandoned)$/);
      driver.kill("SIGKILL");
      await gone;
      await allReady();
      await expect.poll(facts, patience).toEqual(usual);
      // Nothing is armed and no lease is held: it needs all that was broken.
      const again = {
        ...{ scenario: "db.cut-off", mode: "control" as const, waitMs: longWaitForOthersMs },
      };
      const control = await performRun(await addressOf(), again, cutOff, {
        ...{ env: process.env, say: () => {} },
      });
      expect(control, JSON.stringify(control.checks)).toMatchObject({
        ...{ verdict: "pass", answer: { status: 200 } },
      });
    },
    240_000,
  );
});

/** Processes of these groups that are stopped by a signal (`proc_pid_stat(5)`). */
function standingStill(leaders: readonly number[]): readonly number[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return state === "T" && leaders.includes(Number(group)) ? [Number(pid)] : [];
      } catch {
        return [];
      }
    });
}
