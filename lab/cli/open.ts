import type { LinkBody } from "#lab/api/account.ts";
import { routes } from "#lab/api/routes.ts";
import type { Context, ExitCode } from "./context.ts";
import { openByLink, openPage } from "./open-page.ts";
import { ask, requireLab } from "./running-lab.ts";

/**
 * Shows the page of the running lab: in a browser at a terminal, and always as an address. A lab
 * with a token makes a new link for it, which works once.
 * @throws LabError `not-running`, `starting`, `unreachable`.
 */
export async function open(context: Context): Promise<ExitCode> {
  const lab = await requireLab(context.dir);
  const { link } = await ask<LinkBody>(lab, routes.links, { method: "POST" });
  context.out(link);
  if (!context.live) return 0;
  if (lab.token === undefined) openPage(link, context.env);
  else await openByLink(link, context);
  return 0;
}
