import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { countsInto } from "./counts-file.ts";
import { repo } from "./runner.ts";

let project: string;
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "lab-reporter-"));
  symlinkSync(join(repo, "node_modules"), join(project, "node_modules"));
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

const file = (name: string, text: string): void => writeFileSync(join(project, name), text);

/** Its last line; the runner's exit code is not looked at, the line has to tell it all. */
function lastLineOf(script: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const argv = [join(repo, "node_modules", script), ...args];
  // This test runs below such a runner itself, whose counts must not be touched.
  const { LAB_TEST_COUNTS: _, ...outer } = process.env;
  const settings = { cwd: project, env: { ...outer, ...env } };
  return new Promise<string>((resolve) => {
    execFile(process.execPath, argv, settings, (_error, out) =>
      resolve(out.trimEnd().split("\n").at(-1) ?? ""),
    );
  });
}

const vitest = (env?: NodeJS.ProcessEnv) =>
  lastLineOf(
    "vitest/vitest.mjs",
    ["run", "--reporter=default", `--reporter=${repo}lab/testing/vitest-reporter.ts`],
    env,
  );

const playwright = () =>
  lastLineOf("playwright/cli.js", [
    "test",
    // Its own choice would be beside the folder, not in it.
    "--output",
    join(project, "results"),
    "--reporter",
    `list,${repo}lab/testing/playwright-reporter.ts`,
  ]);

const mixed = (runner: string): string => `
import { test, expect } from "${runner}";
test("right", () => {});
test("wrong", () => { expect(1).toBe(2); });
test.skip("later", () => {});
`;

test("Vitest: failed, skipped and passed tests are counted, and a file that does not load is a failure", async () => {
  file("mixed.test.ts", mixed("vitest"));
  file("broken.test.ts", 'import "./missing.ts";');
  expect(await vitest()).toBe("1 passed, 2 failed, 1 skipped");
});

test("Vitest: an error outside of all tests is a failure", async () => {
  file(
    "stray.test.ts",
    'import { test } from "vitest";\ntest("right", () => { setTimeout(() => { throw new Error("stray"); }, 0); return new Promise((r) => setTimeout(r, 20)); });',
  );
  expect(await vitest()).toBe("1 passed, 1 failed");
});

test("Vitest: below a runner of ours the counts go to its file instead", async () => {
  file("mixed.test.ts", mixed("vitest"));
  const counts = join(project, "counts.json");
  expect(await vitest(countsInto(counts))).not.toContain("1 passed, 1 failed");
  expect(JSON.parse(readFileSync(counts, "utf8"))).toEqual({ passed: 1, failed: 1, skipped: 1 });
});

test("Playwright: tests are counted alike, and a set-up that fails is a failure", async () => {
  file("mixed.spec.ts", mixed("playwright/test"));
  expect(await playwright()).toBe("1 passed, 1 failed, 1 skipped");
  file("playwright.config.ts", 'export default { globalSetup: "./setup.ts" };');
  file("setup.ts", 'export default () => { throw new Error("no lab"); };');
  expect(await playwright()).toMatch(/[1-9]\d* failed/);
});
