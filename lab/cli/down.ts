import { LabError } from "#lab/errors.ts";
import { readRunning } from "#lab/state/lock.ts";
import { isAlive, type ProcessIdentity } from "#lab/supervisor/process-identity.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";

/** The lab stops within 5 s by itself; past this it is asked to stop at once. */
const patienceMs = 8000;
const forcedMs = 4000;

/**
 * Stops the lab of this clone and waits until it is gone. No running lab is no failure.
 * @throws LabError `still-running`.
 */
export async function down(json: boolean, context: Context): Promise<ExitCode> {
  const running = await readRunning(context.dir);
  if (running === undefined) {
    if (json) printJson(context, { stopped: false });
    else context.out("No lab of this clone is running.");
    return 0;
  }
  const startedAt = performance.now();
  process.kill(running.pid, "SIGTERM");
  if (!(await goneWithin(running, patienceMs))) {
    process.kill(running.pid, "SIGTERM");
    if (!(await goneWithin(running, forcedMs))) {
      throw new LabError("still-running", `The lab (pid ${running.pid}) does not stop.`, {
        hint: `kill -9 ${running.pid}   (its services end with it)`,
      });
    }
  }
  const ms = Math.round(performance.now() - startedAt);
  if (json) printJson(context, { stopped: true, pid: running.pid, ms });
  else context.out(`Stopped the lab (pid ${running.pid}) in ${(ms / 1000).toFixed(1)} s.`);
  return 0;
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
