import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "#lab/errors.ts";
import { removeElsewhere } from "#lab/state/elsewhere.ts";
import { readRunning } from "#lab/state/lock.ts";
import { forgetContainers, mayHaveContainers } from "#lab/state/runtime-choice.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";

/** What a run leaves behind. Secrets, the built page and downloads stay: they hold no data. */
const holdsData = /^(postgres|store|server|logs|groups|runs\.db(-.*)?|.*\.bad-.*)$/;

/**
 * Throws away database, telemetry, run records and logs of this clone.
 * @throws LabError `running` while a lab uses them.
 */
export async function reset(json: boolean, context: Context): Promise<ExitCode> {
  const running = await readRunning(context.dir);
  if (running !== undefined) {
    throw new LabError("running", `The lab (pid ${running.pid}) is using this data.`, {
      hint: "Stop it first: npm run lab -- down",
    });
  }
  const entries = await readdir(context.dir).catch(() => []);
  const removed = entries.filter((name) => holdsData.test(name)).sort();
  for (const name of removed) {
    await removeElsewhere(join(context.dir, name));
    await rm(join(context.dir, name), { recursive: true, force: true });
  }
  removed.push(...(await removeVolumes(context)));
  if (json) printJson(context, { dir: context.dir, removed });
  else if (removed.length === 0) context.out(`Nothing to remove in ${context.dir}.`);
  else context.out(`Removed from ${context.dir}: ${removed.join(", ")}`);
  return 0;
}

/** Data of services that ran in containers; none where they never did. */
async function removeVolumes({ dir, env }: Context): Promise<readonly string[]> {
  if (!(await mayHaveContainers(dir))) return [];
  const { findLeftovers } = await import("#lab/runtimes/compose/sweep.ts");
  const { containers, volumes, remove } = await findLeftovers(dir, env);
  if (containers.length + volumes.length > 0) await remove({ volumes: true });
  await forgetContainers(dir);
  return volumes.map((name) => `volume ${name}`);
}
