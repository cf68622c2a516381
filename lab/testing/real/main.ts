/**
 * `npm run test:real [-- <scenario>…]`: the tests that need real programs, then the catalogue on a lab
 * of them, then what each backend holds of those runs beside what the store holds. Uses whatever is on
 * PATH, named by `LAB_<ID>_BIN` or may be fetched; lists what was real and how to get what was not.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { onStopRequest } from "#lab/cli/interrupts.ts";
import { judgeDashboards, livingPanelsReport } from "#lab/grafana/living-panels.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { labEnvironment, startLab } from "../lab-under-test.ts";
import { runTool, stopTools } from "../runner.ts";
import { compareBackends } from "./backends.ts";
import { followLinks } from "./links.ts";
import { findPrograms, programLines, realSetting } from "./programs.ts";

/** Where tests hold real programs and stand-ins to the same. */
const folders = ["lab/sources", "lab/standins", "lab/services", "lab/grafana"];
/** More lines are of no more use. */
const shownDifferences = 5;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

onStopRequest((request) => {
  stopTools(request === 1 ? "SIGINT" : "SIGKILL");
  process.exitCode = 130;
});
const scenarios = process.argv.slice(2);
const found = await findPrograms(process.env);
for (const line of programLines(found)) say(line);

const named = Object.entries(process.env).filter(([name]) => /^LAB_[A-Z_]+_BIN$/.test(name));
const wanted = { ...Object.fromEntries(named), LAB_REAL: realSetting(found), LAB_DOWNLOADS: "on" };
const tests = await runTool(
  { name: "vitest", script: "vitest/vitest.mjs", args: ["run", ...folders] },
  { output: "shown", env: { LAB_REAL: wanted.LAB_REAL } },
);

const startedAt = Date.now();
const lab = await startLab(undefined, [], wanted);
let verified = 255;
let fits = true;
try {
  verified = await verify(lab.dir);
  const claims = [...(await compareBackends(lab.origin)), await followLinks(lab.origin)];
  for (const { claim, compared, differences } of claims) {
    const holds = differences.length === 0 && compared > 0;
    fits &&= holds;
    say(`${holds ? "✓" : "✗"} ${claim}: ${compared - differences.length} of ${compared}`);
    for (const difference of differences.slice(0, shownDifferences)) say(`    ${difference}`);
  }
  const panels = await judgeDashboards(lab.origin, (Date.now() - startedAt) / 1000);
  for (const line of livingPanelsReport(panels)) say(line);
  // Panels live on what scenarios cause: a few of them leave others without.
  fits &&= scenarios.length > 0 || panels.every(({ judgement }) => judgement.state !== "dead");
} finally {
  await lab.stop();
}
say("");
for (const line of programLines(found)) say(line);
say(
  `tests ${tests.ok ? "passed" : `failed (${tests.how})`}, verify ended with ${verified}, backends, links and panels ${fits ? "fit" : "do not fit"}`,
);
process.exitCode ||= tests.ok && verified === 0 && fits ? 0 : 1;

function verify(dir: string): Promise<number> {
  const argv = [join(repositoryDir, "lab/bootstrap.mjs"), "lab", "verify", ...scenarios];
  const child = spawn(process.execPath, argv, {
    cwd: repositoryDir,
    env: labEnvironment(dir, wanted),
    stdio: ["ignore", "inherit", "inherit"],
  });
  return new Promise((resolve) => {
    child.on("error", () => resolve(255));
    child.on("exit", (code) => resolve(code ?? 255));
  });
}
