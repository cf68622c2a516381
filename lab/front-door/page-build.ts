/**
 * Builds the page once, as a child process, so that the lab stays responsive meanwhile. Builds the
 * clone it is started in into `LAB_PAGE_DIR`; tells its progress over the IPC channel, and on stderr
 * why it failed.
 *
 * Vite works in a thread: compiling keeps a thread busy for seconds, and this process has to notice
 * at once when the lab is gone.
 */
import { join } from "node:path";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import type { Plugin } from "vite";

/** Share of the work that is done when the last module has been read; the rest is bundling. */
const readShare = 0.8;
/** Modules of the page, roughly: only the progress bar depends on it. */
const expectedModules = 450;

if (isMainThread) superviseThread();
else await buildPage();

function superviseThread(): void {
  // An orderly exit waits for the compilers' threads, for seconds.
  const leave = () => process.kill(process.pid, "SIGKILL");
  process.once("disconnect", leave);
  const thread = new Worker(new URL(import.meta.url));
  thread.on("message", (progress) => process.send?.(progress));
  thread.once("error", (error: Error) => {
    process.exitCode = 1;
    process.stderr.write(`${error.message}\n`);
  });
  thread.once("exit", () => {
    process.off("disconnect", leave);
    process.disconnect?.();
  });
}

async function buildPage(): Promise<void> {
  // Here and not above: the supervising thread would load all of Vite for nothing.
  const { build } = await import("vite");
  const tell = (step: string, done: number): void => parentPort?.postMessage({ step, done });
  let read = 0;
  const progress: Plugin = {
    name: "lab-progress",
    moduleParsed: () => {
      read += 1;
      if (read % 25 === 0)
        tell("building the page", Math.min(read / expectedModules, 1) * readShare);
    },
    renderStart: () => tell("bundling the page", readShare),
  };
  await build({
    configFile: join(process.cwd(), "vite.config.ts"),
    mode: "production",
    logLevel: "silent",
    plugins: [progress],
  });
  tell("page built", 1);
}
