import { watch } from "node:fs";
import { join } from "node:path";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import type { StartOptions } from "./arguments.ts";
import type { Context, ExitCode } from "./context.ts";
import type { LabSession } from "./lab-session.ts";
import { start } from "./start.ts";

const pageSourcePort = 5173;
/** Editors write a file in several steps. */
const settleMs = 150;

/**
 * A lab for working on the lab: the page comes from Vite with hot reload, and the app restarts when
 * its source or a scenario changes. Changes below `lab/` need a new start.
 */
export const dev = (options: StartOptions, context: Context): Promise<ExitCode> =>
  start({ ...options, open: false, untilReady: false, token: false }, context, async (session) => {
    const { origin, close } = await servePageSource(session.origin);
    context.out(`Page with hot reload: ${origin}`);
    const stopWatching = restartOnChange(session, context);
    return async () => {
      stopWatching();
      await close();
    };
  });

/** To the front door everything looks as if it came from its own page, or its guard would refuse it. */
async function servePageSource(
  front: string,
): Promise<{ readonly origin: string; readonly close: () => Promise<void> }> {
  const { createServer } = await import("vite");
  const toFront = { target: front, changeOrigin: true, headers: { origin: front } };
  const vite = await createServer({
    root: join(repositoryDir, "web"),
    configFile: join(repositoryDir, "vite.config.ts"),
    server: {
      host: "127.0.0.1",
      port: pageSourcePort,
      proxy: { "/lab/": toFront, "/api/": toFront, "/auth/": toFront },
    },
  });
  await vite.listen();
  return {
    origin: vite.resolvedUrls?.local[0] ?? `http://127.0.0.1:${pageSourcePort}`,
    close: () => vite.close(),
  };
}

function restartOnChange({ system }: LabSession, context: Context): () => void {
  let timer: NodeJS.Timeout | undefined;
  const restart = (): void => {
    system.restart("server").catch((error: Error) => context.say(error.message));
  };
  const watchers = ["server", "scenarios"].map((folder) =>
    watch(join(repositoryDir, folder), { recursive: true }, (_event, file) => {
      if (file === null || !file.endsWith(".ts") || file.endsWith(".test.ts")) return;
      clearTimeout(timer);
      timer = setTimeout(restart, settleMs);
    }),
  );
  return () => {
    clearTimeout(timer);
    for (const watcher of watchers) watcher.close();
  };
}
