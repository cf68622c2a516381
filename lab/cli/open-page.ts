import { spawn } from "node:child_process";
import type { Env } from "#lab/state/lab-dir.ts";

/** Shows the page in the user's browser. Where there is none, the URL was printed anyway. */
export function openPage(url: string, env: Env): void {
  const opener = openerOf(env);
  if (opener === undefined) return;
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
}

function openerOf(env: Env): string | undefined {
  if (process.platform === "darwin") return "open";
  if (env.WSL_DISTRO_NAME) return "wslview";
  return env.DISPLAY || env.WAYLAND_DISPLAY ? "xdg-open" : undefined;
}
