import { routes } from "#lab/api/routes.ts";
import type { StatusBody } from "#lab/api/services.ts";
import { readRunning } from "#lab/state/lock.ts";
import { rowText } from "./board.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";
import { ask, requireLab } from "./running-lab.ts";

/** 0 when every service that this machine can have is ready, 1 when one is not, or when no lab runs. */
export async function status(json: boolean, context: Context): Promise<ExitCode> {
  if (json && (await readRunning(context.dir)) === undefined) {
    printJson(context, { running: false });
    return 1;
  }
  const lab = await requireLab(context.dir);
  const body = await ask<StatusBody>(lab, routes.status);
  if (json) {
    printJson(context, { running: true, pid: lab.pid, ...body });
  } else {
    const since = new Date(body.startedAt).toISOString().slice(0, 19).replace("T", " ");
    context.out(`${body.origin}  ${body.runtime}, pid ${lab.pid}, since ${since} UTC`);
    for (const row of body.services) context.out(rowText(row));
    if (lab.token !== undefined)
      context.out("Started with --token. A link for another browser: npm run lab -- open");
  }
  return body.services.every(({ state, kind }) => state === "ready" || kind === "absent") ? 0 : 1;
}
