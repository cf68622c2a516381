import { type Counts, noTests, sum } from "./closing-line.ts";
import { type Ended, runTool, type Tool } from "./runner.ts";

// Without a terminal Biome would still print links as escape sequences.
const colours = process.stdout.isTTY ? "force" : "off";

/** What looks at the source without running it. Each counts as one test. */
const checks: readonly Tool[] = [
  {
    name: "biome",
    script: "@biomejs/biome/bin/biome",
    args: ["ci", "--diagnostic-level=error", `--colors=${colours}`],
  },
  { name: "tsc", script: "typescript/bin/tsc", args: ["-p", "."] },
  {
    name: "svelte-check",
    script: "svelte-check/bin/svelte-check",
    args: ["--tsconfig", "web/tsconfig.json", "--fail-on-warnings", "--output", "human"],
  },
  { name: "knip", script: "knip/bin/knip.js", args: [] },
];

export interface Checked {
  readonly counts: Counts;
  /** One line per check, with the output of those that failed. */
  readonly report: string;
}

/** Runs all of them, one after the other, and reports every one that failed, not the first only. */
export async function runChecks(): Promise<Checked> {
  const done: { readonly tool: Tool; readonly ended: Ended }[] = [];
  for (const tool of checks) done.push({ tool, ended: await runTool(tool, { output: "kept" }) });
  return {
    counts: sum(done.map(({ ended }) => ({ ...noTests, [ended.ok ? "passed" : "failed"]: 1 }))),
    report: done.map(({ tool, ended }) => describe(tool, ended)).join("\n"),
  };
}

function describe({ name }: Tool, { ok, how, output, durationMs }: Ended): string {
  const time = `${(durationMs / 1000).toFixed(1)} s`;
  return ok ? `✓ ${name}  ${time}` : `✗ ${name}  ${time}  ${how}\n${output.replace(/^/gm, "    ")}`;
}
