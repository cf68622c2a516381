import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePort } from "../../../lab/testing/free-port.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Another browser than Chromium, with the program that drives it. */
interface Driven {
  readonly name: "Firefox" | "WebKit";
  readonly driver: string;
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Path of a virtual screen, for one that cannot do without any. */
  readonly screen?: string | undefined;
}

/** One that cannot be driven here, and how to get what is missing. */
interface Missing {
  readonly name: Driven["name"];
  readonly missing: string;
}

/** WebKitGTK's own small browser: distributions keep it off PATH. */
const miniBrowsers = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""].flatMap((triple) =>
  ["6.0", "4.1", "4.0"].map((abi) => join("/usr/lib", triple, `webkit2gtk-${abi}/MiniBrowser`)),
);

/** Firefox and WebKit as they are on this machine: `LAB_FIREFOX` and `LAB_GECKODRIVER`, `LAB_WEBKIT` and `LAB_WEBKITDRIVER`, else of PATH. */
export function findDriven(env: Env): readonly (Driven | Missing)[] {
  return [findFirefox(env), findWebKit(env)];
}

function findFirefox(env: Env): Driven | Missing {
  const binary = env.LAB_FIREFOX ?? onPath(env, "firefox", "firefox-esr");
  const driver = env.LAB_GECKODRIVER ?? onPath(env, "geckodriver");
  if (binary === undefined || driver === undefined) {
    return {
      name: "Firefox",
      missing: "needs firefox and geckodriver (brew, npm or cargo install geckodriver) on PATH",
    };
  }
  const options = { binary, args: ["-headless"] };
  return { name: "Firefox", driver, capabilities: { "moz:firefoxOptions": options } };
}

function findWebKit(env: Env): Driven | Missing {
  const binary = env.LAB_WEBKIT ?? miniBrowsers.find((path) => existsSync(path));
  const driver = env.LAB_WEBKITDRIVER ?? onPath(env, "WebKitWebDriver");
  const screen = onPath(env, "Xvfb");
  const isSeen = env.DISPLAY !== undefined || env.WAYLAND_DISPLAY !== undefined;
  if (binary === undefined || driver === undefined || (screen === undefined && !isSeen)) {
    return {
      name: "WebKit",
      missing: "needs WebKitGTK's driver and a screen (Debian: webkit2gtk-driver, xvfb)",
    };
  }
  const options = { binary, args: ["--automation"] };
  const capabilities = { "webkitgtk:browserOptions": options };
  return { name: "WebKit", driver, capabilities, screen: isSeen ? undefined : screen };
}

function onPath(env: Env, ...names: readonly string[]): string | undefined {
  const folders = (env.PATH ?? "").split(delimiter).filter((folder) => folder !== "");
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync);
}

/** A driver that listens, and all it has started. */
export interface RunningDriver {
  readonly origin: string;
  readonly stop: () => Promise<void>;
}

/** Starts a driver, on a screen of its own where it needs one. @throws Error when it ends before it listens. */
export async function startDriver({ driver, screen }: Driven): Promise<RunningDriver> {
  const started: ChildProcess[] = [];
  const stop = async () => {
    await Promise.all(started.map(endGroup));
  };
  try {
    const display = screen === undefined ? {} : { DISPLAY: await startScreen(screen, started) };
    const port = await freePort();
    const child = spawn(driver, [`--port=${port}`], {
      detached: true,
      stdio: "ignore",
      // Debian's sandboxes want namespaces that root in a container may not make.
      env: { ...process.env, ...display, NO_AT_BRIDGE: "1", GSETTINGS_BACKEND: "memory" },
    });
    started.push(child);
    const origin = `http://127.0.0.1:${port}`;
    while (!(await answers(origin))) {
      if (child.exitCode !== null) throw new Error(`${driver} ended with ${child.exitCode}`);
      await pause(50);
    }
    return { origin, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Returns the display's name, which the server picks and tells. */
async function startScreen(program: string, started: ChildProcess[]): Promise<string> {
  const args = ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"];
  const child = spawn(program, args, {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  started.push(child);
  const [told] = (await once(child.stdio[3] as NodeJS.ReadableStream, "data")) as [Buffer];
  return `:${told.toString().trim()}`;
}

async function answers(origin: string): Promise<boolean> {
  try {
    return (await fetch(`${origin}/status`)).ok;
  } catch {
    return false;
  }
}

/** Ends a process with the browsers it has started. */
async function endGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null) return;
  const ended = once(child, "exit");
  process.kill(-child.pid, "SIGTERM");
  await ended;
}
