import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import type { Env } from "#lab/state/lab-dir.ts";

const openingOf = (dir: string): string => join(dir, "open.html");

/** What a start with a token says below its link. */
export const linkAdvice = "The link opens one browser, once. A new one: npm run lab -- open";

/** Shows the page in the user's browser. Where there is none, the URL was printed anyway. */
export function openPage(url: string, env: Env): void {
  const opener = openerOf(env);
  if (opener === undefined) return;
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}

/**
 * Shows the page by a link that is a secret. Everybody on the machine can read the arguments of a
 * process, so the browser is given a file that leads to the link and that only this user can read.
 * @throws LabError `disk-full` or `state-unwritable`.
 */
export async function openByLink(
  link: string,
  { dir, env }: { readonly dir: string; readonly env: Env },
): Promise<void> {
  if (openerOf(env) === undefined) return;
  const page = `<!doctype html><meta http-equiv="refresh" content="0;url=${link}">\n`;
  await writeFileAtomic(openingOf(dir), page, 0o600);
  openPage(openingOf(dir), env);
}

/** Removes what {@link openByLink} left, if anything. */
export const forgetOpening = (dir: string): Promise<void> => rm(openingOf(dir), { force: true });

function openerOf(env: Env): string | undefined {
  if (process.platform === "darwin") return "open";
  if (env.WSL_DISTRO_NAME) return "wslview";
  return env.DISPLAY || env.WAYLAND_DISPLAY ? "xdg-open" : undefined;
}
