import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onStopRequest } from "#lab/cli/interrupts.ts";
import { LabError } from "#lab/errors.ts";
import { provideBrowser } from "./browser.ts";
import { runChecks } from "./checks.ts";
import { type Counts, closingLine, noTests, succeeded, sum } from "./closing-line.ts";
import { countsInto, readCounts } from "./counts-file.ts";
import { runTool, stopTools, type Tool } from "./runner.ts";

const oneFailed: Counts = { ...noTests, failed: 1 };
const reporters = (own: string, folder: string): string[] => [
  `--reporter=${folder}/${own}-reporter.ts`,
];

/** A runner that ends before its reporter could count, or fails without a failed test, counts as one failure. */
async function countTool(tool: Tool, env: Readonly<Record<string, string>> = {}): Promise<Counts> {
  const folder = mkdtempSync(join(tmpdir(), "lab-counts-"));
  const file = join(folder, "counts.json");
  try {
    const { ok, how } = await runTool(tool, {
      output: "shown",
      env: { ...env, ...countsInto(file) },
    });
    const counts = readCounts(file);
    if (counts === undefined) {
      console.error(`${tool.name} ended with ${how} before it could count its tests`);
      return oneFailed;
    }
    return ok || counts.failed > 0 ? counts : sum([counts, oneFailed]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function check(): Promise<Counts> {
  const { counts, report } = await runChecks();
  console.log(report);
  return counts;
}

const unit = (args: readonly string[]): Promise<Counts> =>
  countTool({
    name: "vitest",
    script: "vitest/vitest.mjs",
    args: ["run", "--reporter=default", ...reporters("vitest", "./lab/testing"), ...args],
  });

/** Asks for Firefox and WebKit: their windows come up on a desktop, which nobody wants of every test. */
const otherBrowsers = "--browsers";

async function journeys(args: readonly string[]): Promise<Counts> {
  try {
    const browser = await provideBrowser(process.env, console.log);
    const others = args.includes(otherBrowsers);
    const chosen = others
      ? [...args.filter((arg) => arg !== otherBrowsers), "other-browsers"]
      : args;
    return await countTool(
      { name: "playwright", script: "playwright/cli.js", args: ["test", ...chosen] },
      { LAB_CHROMIUM: browser, ...(others ? { LAB_BROWSERS: "on" } : {}) },
    );
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    console.error(`${error.message}\n  hint: ${error.hint}`);
    return oneFailed;
  }
}

/** The checks leave one core idle half of the time, so they run beside the unit tests and are shown after them. */
async function everything(): Promise<Counts> {
  const checked = runChecks();
  const tests = await unit([]);
  const { counts, report } = await checked;
  console.log(`${report}\n`);
  return sum([tests, counts, await journeys([])]);
}

function countsOf(script: string, args: readonly string[]): Promise<Counts> | undefined {
  switch (script) {
    case "test":
      return args.length === 0 ? everything() : unit(args);
    case "check":
      return check();
    case "e2e":
      return journeys(args);
    default:
      return undefined;
  }
}

async function fix(args: readonly string[]): Promise<number> {
  const { ok } = await runTool(
    {
      name: "biome",
      script: "@biomejs/biome/bin/biome",
      args: ["check", "--write", ...args],
    },
    { output: "shown" },
  );
  return ok ? 0 : 1;
}

onStopRequest((request) => {
  stopTools(request === 1 ? "SIGINT" : "SIGKILL");
  process.exitCode = 130;
});
const [script = "", ...args] = process.argv.slice(2);
if (script === "fix") {
  process.exitCode ||= await fix(args);
} else {
  const counts = await countsOf(script, args);
  if (counts === undefined) {
    console.error(`There is no "${script}". There are: test, check, e2e, fix.`);
    process.exitCode = 3;
  } else {
    console.log(closingLine(counts));
    process.exitCode ||= succeeded(counts) ? 0 : 1;
  }
}
