import { LabError } from "#lab/errors.ts";
import { readRunning } from "#lab/state/lock.ts";
import { mayHaveContainers } from "#lab/state/runtime-choice.ts";
import { isAlive, type ProcessIdentity } from "#lab/supervisor/process-identity.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";

/** The lab stops within 5 s by itself; past this it is asked to stop at once. */
const patienceMs = 8000;
/** Containers are removed besides. */
const containerPatienceMs = 30_000;
const forcedMs = 4000;

/**
 * Stops the lab of this clone and waits until it is gone. No running lab is no failure.
 * Containers that a killed lab left behind go too.
 * @throws LabError `still-running`.
 */
export async function down(json: boolean, context: Context): Promise<ExitCode> {
  const running = await readRunning(context.dir);
  const inContainers = await mayHaveContainers(context.dir);
  if (running === undefined) {
    const removed = inContainers ? await removeContainers(context) : 0;
    if (json) printJson(context, { stopped: false, ...(inContainers ? { removed } : {}) });
    else if (removed === 0) context.out("No lab of this clone is running.");
    else
      context.out(
        `No lab of this clone is running; removed ${removed} containers of one that was killed.`,
      );
    return 0;
  }
  const startedAt = performance.now();
  process.kill(running.pid, "SIGTERM");
  if (!(await goneWithin(running, inContainers ? containerPatienceMs : patienceMs))) {
    process.kill(running.pid, "SIGTERM");
    if (!(await goneWithin(running, forcedMs))) {
      throw new LabError("still-running", `The lab (pid ${running.pid}) does not stop.`, {
        hint: `kill -9 ${running.pid}   (its services end with it)`,
      });
    }
  }
  // One that had to be killed did not get to that.
  if (inContainers) await removeContainers(context);
  const ms = Math.round(performance.now() - startedAt);
  if (json) printJson(context, { stopped: true, pid: running.pid, ms });
  else context.out(`Stopped the lab (pid ${running.pid}) in ${(ms / 1000).toFixed(1)} s.`);
  return 0;
}

async function removeContainers({ dir, env }: Context): Promise<number> {
  const { takeDown } = await import("#lab/runtimes/compose/sweep.ts");
  return takeDown(dir, env);
}

/** A process that is not our child tells nobody of its end, so it is looked at. */
async function goneWithin(who: ProcessIdentity, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (isAlive(who)) {
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return true;
}
