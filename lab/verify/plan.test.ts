import { expect, test } from "vitest";
import { defineScenario, type Lease, type Scenario } from "#scenarios/define.ts";
import type { Mode } from "#scenarios/mode.ts";
import { areCompatible, carryOut, type Job, planJobs, shuffled } from "./plan.ts";

const scenario = (
  id: Scenario["id"],
  leases: readonly Lease[] = [],
  modes: readonly Mode[] = ["fault"],
) =>
  defineScenario({
    ...{ id, title: "", summary: "", story: "", params: {}, modes, leases, expect: [] },
  }) as Scenario;

test("every scenario is run in all its modes, the fault first", () => {
  const jobs = planJobs([
    scenario("db.a", [], ["fault", "control", "fix"]),
    scenario("db.b", [], ["fault", "control"]),
  ]);
  expect(jobs.map((job) => `${job.scenario.id} ${job.mode}`)).toEqual([
    "db.a fault",
    "db.a control",
    "db.a fix",
    "db.b fault",
    "db.b control",
  ]);
});

test("who ends the server or counts exactly is alone; otherwise no lease is wanted twice", () => {
  const free = scenario("db.free");
  expect(areCompatible(free, scenario("db.a", ["server"]))).toBe(false);
  expect(areCompatible(scenario("db.a", ["metrics"]), free)).toBe(false);
  expect(areCompatible(scenario("db.a", ["postgres"]), free)).toBe(true);
  expect(areCompatible(scenario("db.a", ["postgres"]), scenario("db.b", ["postgres"]))).toBe(false);
  expect(areCompatible(scenario("db.a", ["postgres"]), scenario("db.b", ["valkey"]))).toBe(true);
});

test("a seed gives one order, and another seed another; nothing is lost", () => {
  const jobs = Array.from({ length: 40 }, (_, position) => position);
  expect(shuffled(jobs, 7)).toEqual(shuffled(jobs, 7));
  expect(shuffled(jobs, 7)).not.toEqual(shuffled(jobs, 8));
  expect(shuffled(jobs, 7)).not.toEqual(jobs);
  expect([...shuffled(jobs, 7)].sort((a, b) => a - b)).toEqual(jobs);
  // Every one can come first.
  const firsts = new Set(Array.from({ length: 400 }, (_, seed) => shuffled(jobs, seed)[0]));
  expect(firsts.size).toBe(jobs.length);
});

/** Jobs that end when they are told to. */
function held() {
  const running: { readonly id: string; readonly end: () => void }[] = [];
  const started: string[][] = [];
  return {
    running,
    /** Who ran at the same time, at every start. */
    started,
    perform: (job: Job): Promise<string> => {
      const { promise, resolve } = Promise.withResolvers<string>();
      const { id } = job.scenario;
      const end = () => {
        running.splice(
          running.findIndex((one) => one.id === id),
          1,
        );
        resolve(id);
      };
      running.push({ id, end });
      started.push(running.map((one) => one.id));
      return promise;
    },
  };
}

test("jobs that get along run side by side, as many as may, and results keep the jobs' order", async () => {
  const jobs = planJobs([
    scenario("db.a", ["postgres"]),
    scenario("db.b", ["postgres"]),
    scenario("db.c"),
    scenario("db.crash", ["server"]),
    scenario("db.d"),
  ]);
  const { running, started, perform } = held();
  const results = carryOut(jobs, perform, 2);
  while (started.length < jobs.length) {
    running.at(-1)?.end();
    await new Promise(setImmediate);
  }
  for (const { end } of [...running]) end();
  expect(await results).toEqual(["db.a", "db.b", "db.c", "db.crash", "db.d"]);
  expect(started).toContainEqual(["db.crash"]);
  expect(started).toContainEqual(["db.a", "db.c"]);
  expect(Math.max(...started.map((ids) => ids.length))).toBe(2);
});

test("nothing more is started once a job has broken down", async () => {
  const jobs = planJobs([scenario("db.a"), scenario("db.b")]);
  const seen: string[] = [];
  const broken = carryOut(
    jobs,
    async (job) => {
      seen.push(job.scenario.id);
      throw new Error("a defect");
    },
    1,
  );
  await expect(broken).rejects.toThrow("a defect");
  expect(seen).toEqual(["db.a"]);
});
