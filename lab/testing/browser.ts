import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "#lab/errors.ts";

type Env = Readonly<Record<string, string | undefined>>;

const names = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
  "chrome",
] as const;
const macApplications = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];
const playwrightCli = fileURLToPath(
  new URL("../../node_modules/playwright/cli.js", import.meta.url),
);

/**
 * Path of a Chromium or Chrome that starts: `LAB_CHROMIUM`, then one that is installed, then the
 * one Playwright has downloaded before. Undefined when there is none.
 */
export async function findBrowser(env: Env): Promise<string | undefined> {
  if (env.LAB_CHROMIUM) return env.LAB_CHROMIUM;
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  const onPath = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const installed = [...onPath, ...(process.platform === "darwin" ? macApplications : [])];
  const found = installed.find((path) => existsSync(path) && starts(path));
  if (found !== undefined) return found;
  const { chromium } = await import("playwright");
  const downloaded = chromium.executablePath();
  return existsSync(downloaded) && starts(downloaded) ? downloaded : undefined;
}

/** Arguments for a browser that only looks at the lab. */
export const browserArguments: readonly string[] = [
  // Chromium has no sandbox for root.
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
  // In a closed network its own errands only wait for time-outs.
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

/** Ubuntu puts a script in the browser's place that only asks to install a snap: being there is not enough. */
const starts = (path: string): boolean =>
  spawnSync(path, ["--version"], { stdio: "ignore", timeout: 20_000 }).status === 0;

/** One step on the way to a browser: what to tell, and the command to run. */
export interface WayToGetOne {
  readonly title: string;
  readonly command: readonly string[];
}

/**
 * Like {@link findBrowser}, and fetches one when there is none: Playwright's download, else the
 * system's package where that needs no password. `say` gets a line before each long step.
 * @throws LabError `browser-missing` with the command to type.
 */
export async function provideBrowser(
  env: Env,
  say: (line: string) => void,
  ways: readonly WayToGetOne[] = waysToGetOne(),
): Promise<string> {
  const found = await findBrowser(env);
  if (found !== undefined) return found;
  for (const { title, command } of ways) {
    say(title);
    const [program = "", ...args] = command;
    spawnSync(program, args, {
      stdio: "inherit",
      timeout: 300_000,
      env: {
        ...env,
        DEBIAN_FRONTEND: "noninteractive",
        PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: "10000",
      },
    });
    const got = await findBrowser(env);
    if (got !== undefined) return got;
  }
  throw new LabError(
    "browser-missing",
    "No Chromium or Chrome was found, and none could be fetched.",
    {
      hint: `${commandToType()}   (or set LAB_CHROMIUM to the path of one)`,
    },
  );
}

function waysToGetOne(): readonly WayToGetOne[] {
  const download: WayToGetOne = {
    title: "No browser found: downloading Playwright's Chromium …",
    command: [process.execPath, playwrightCli, "install", "--no-shell", "chromium"],
  };
  const update: WayToGetOne = {
    title: "Reading the system's package lists …",
    command: ["apt-get", "update", "-q"],
  };
  const install: WayToGetOne = {
    title: "Installing the system's chromium package …",
    command: ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"],
  };
  return isDebianLike() && process.getuid?.() === 0 ? [download, update, install] : [download];
}

function commandToType(): string {
  if (process.platform === "darwin")
    return "Install Chrome, or type: npx playwright install chromium";
  return isDebianLike()
    ? "Type: sudo apt-get install chromium"
    : "Install chromium with your system's package manager, or type: npx playwright install chromium";
}

function isDebianLike(): boolean {
  try {
    return /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync("/etc/os-release", "utf8"));
  } catch {
    return false;
  }
}
