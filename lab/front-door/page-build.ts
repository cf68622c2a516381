/**
 * Builds the page once, as a child process, so that the lab stays responsive meanwhile. Builds the
 * clone it is started in into `LAB_PAGE_DIR`; tells its progress over the IPC channel.
 */
import { join } from "node:path";
import { build, type Plugin } from "vite";

// The lab is gone: nobody wants the page any more.
const leave = (): never => process.exit(1);
process.once("disconnect", leave);

/** Share of the work that is done when the last module has been read; the rest is bundling. */
const readShare = 0.8;
/** Modules of the page, roughly: only the progress bar depends on it. */
const expectedModules = 450;

let read = 0;
const progress: Plugin = {
  name: "lab-progress",
  moduleParsed: () => {
    read += 1;
    if (read % 25 === 0) tell("building the page", Math.min(read / expectedModules, 1) * readShare);
  },
  renderStart: () => tell("bundling the page", readShare),
};
const tell = (step: string, done: number): void => void process.send?.({ step, done });

await build({
  configFile: join(process.cwd(), "vite.config.ts"),
  mode: "production",
  logLevel: "error",
  plugins: [progress],
});
tell("page built", 1);
process.off("disconnect", leave);
process.disconnect?.();
