import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { readRunning } from "#lab/state/lock.ts";
import { readSelfTest } from "#lab/state/self-test-file.ts";
import { cli, newLabDir, removeLabDir } from "#lab/testing/lab-under-test.ts";

let dir: string;
beforeAll(async () => {
  dir = await newLabDir();
});
afterAll(() => removeLabDir(dir));

const ownCatalogue = { LAB_SCENARIOS: join(repositoryDir, "lab/testing/scenarios") };

test("an unknown scenario is wrong usage, and starts nothing", async () => {
  const { code, out, err } = await cli(dir, ["verify", "db.nothing", "--json"], ownCatalogue);
  expect(code).toBe(3);
  expect(JSON.parse(out).error.code).toBe("unknown-scenario");
  expect(err).toContain("db.right, db.wrong");
  expect(await readRunning(dir)).toBeUndefined();
});

test("a scenario with a wrong key is told with file and line, and starts nothing", async () => {
  const folder = join(dir, "scenarios");
  await mkdir(join(folder, "db"), { recursive: true });
  const text = `export default {
    id: "db.odd", title: "Odd", summary: "", story: "", params: {}, modes: ["fault"],
    expect: [{ signal: "span", selcet: { name: "a" }, why: "why", hint: "hint" }],
  };`;
  await writeFile(join(folder, "db", "odd.ts"), text);
  const { code, out } = await cli(dir, ["verify", "db.odd"], { LAB_SCENARIOS: folder });
  expect(code).toBe(1);
  expect(out).toContain("scenarios/db/odd.ts:3: expect[0].selcet unknown key selcet");
  expect(await readRunning(dir)).toBeUndefined();
});

test("scenarios of a folder are run and judged by a lab of its own, and the wrong one is told", async () => {
  const junit = join(dir, "verify.xml");
  const { code, out, err } = await cli(dir, ["verify", "--self-test", "--json", "--junit", junit], {
    ...ownCatalogue,
    GITHUB_ACTIONS: "true",
  });
  expect(code, err).toBe(1);
  const report = JSON.parse(out);
  const verdicts = report.results.map(
    (one: { scenario: string; mode: string; verdict: string }) =>
      `${one.scenario} ${one.mode} ${one.verdict}`,
  );
  expect(verdicts).toEqual(["db.right fault pass", "db.right control pass", "db.wrong fault fail"]);
  expect(report.results[1].apart).toEqual({ failed: [0], met: [] });
  expect(report.results[2].checks[0]).toMatchObject({
    state: "fail",
    nearest: { title: expect.stringContaining("SELECT products") },
  });
  const caughtBy = Object.fromEntries(
    report.selfTest.mutants.map(({ id, cells }: { id: string; cells: object }) => [id, cells]),
  );
  // Renamed is the query that db.right counts; nothing of it looks at the shape of the trace.
  expect(caughtBy["rename-span"]).toEqual({ "db.right": "caught", "db.wrong": "none" });
  // Both checks of db.right have been seen to fail, and db.wrong never passed.
  expect(report.selfTest.vacuous).toEqual({ "db.right": [], "db.wrong": [] });
  expect(caughtBy["orphan-child"]).toEqual({ "db.right": "missed", "db.wrong": "none" });
  expect(err).toMatch(/No check noticed: split-trace,/);
  const kept = await readSelfTest(dir);
  expect(kept).toMatchObject({ seed: report.seed, runs: 3, matrix: report.selfTest });
  expect(err).toContain("SELECT products");
  expect(err).toMatch(/::error file=scenarios\/db\/wrong\.ts,line=\d+,/);
  expect(await readFile(junit, "utf8")).toContain('tests="5" failures="1" errors="0"');
  expect(await readRunning(dir)).toBeUndefined();
}, 60_000);
