import { routes } from "#lab/api/routes.ts";
import type { StatusBody } from "#lab/api/services.ts";
import { LabError } from "#lab/errors.ts";
import { rowText } from "./board.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";
import { ask, requireLab } from "./running-lab.ts";

/**
 * Restarts one service of the running lab and waits until it is ready again.
 * @throws LabError `unknown-service`, or why it did not come back.
 */
export async function restart(service: string, json: boolean, context: Context): Promise<ExitCode> {
  const lab = await requireLab(context.dir);
  const { services } = await ask<StatusBody>(lab, routes.status);
  if (!services.some(({ id }) => id === service)) {
    throw new LabError("unknown-service", `There is no service "${service}".`, {
      hint: `There are: ${services.map(({ id }) => id).join(", ")}.`,
    });
  }
  await ask(lab, routes.service(service, "restart"), { method: "POST" });
  const after = await ask<StatusBody>(lab, routes.status);
  const row = after.services.find(({ id }) => id === service);
  if (json) printJson(context, row);
  else if (row !== undefined) context.out(rowText(row));
  return row?.state === "ready" ? 0 : 1;
}
