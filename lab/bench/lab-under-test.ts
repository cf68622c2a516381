import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { routes } from "../api/routes.ts";
import type { CreatedRun } from "../api/run-request.ts";
import type { StatusBody } from "../api/services.ts";

const execute = promisify(execFile);
const bootstrap = fileURLToPath(new URL("../bootstrap.mjs", import.meta.url));
/** The repository, where scripts of the lab are run. */
export const repository = fileURLToPath(new URL("../..", import.meta.url));

/** A lab of its own in a temporary folder, so that a benchmark never touches the user's state. */
export interface LabUnderTest extends AsyncDisposable {
  readonly dir: string;
  readonly origin: string;
  readonly status: () => Promise<StatusBody>;
  readonly createRun: (scenario: string, params: Record<string, number>) => Promise<CreatedRun>;
}

/** Environment that keeps a started lab apart from one that the user runs. */
export const labEnvironment = (dir: string): NodeJS.ProcessEnv => ({
  ...process.env,
  LAB_DIR: dir,
  CI: "true",
});

/** Runs one verb of the CLI to its end and returns what it printed. */
export const runVerb = async (dir: string, ...args: string[]): Promise<string> =>
  (
    await execute(process.execPath, [bootstrap, "lab", ...args], {
      cwd: repository,
      env: labEnvironment(dir),
    })
  ).stdout;

export const temporaryFolder = (): Promise<string> => mkdtemp(join(tmpdir(), "lab-bench-"));

/** Starts a lab in the background and waits until everything is ready. */
export async function startLab(): Promise<LabUnderTest> {
  const dir = await temporaryFolder();
  await runVerb(dir, "up", "--detach", "--no-open");
  const { origin } = JSON.parse(await runVerb(dir, "status", "--json")) as StatusBody;
  return {
    dir,
    origin,
    status: async () => (await (await fetch(origin + routes.status)).json()) as StatusBody,
    createRun: async (scenario, params) => {
      const response = await fetch(origin + routes.runs, {
        method: "POST",
        headers: { "content-type": "application/json", "x-lab-csrf": "1" },
        body: JSON.stringify({ scenario, params }),
      });
      if (!response.ok) throw new Error(`run refused: ${response.status} ${await response.text()}`);
      return (await response.json()) as CreatedRun;
    },
    [Symbol.asyncDispose]: async () => {
      await runVerb(dir, "down");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
