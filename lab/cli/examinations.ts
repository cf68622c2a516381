import { execFile } from "node:child_process";
import { realpathSync } from "node:fs";
import { readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "#lab/errors.ts";
import { binVariable } from "#lab/providers/bin-variable.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import { labServices } from "#lab/services/registry.ts";
import { openLabDir, repositoryDir } from "#lab/state/lab-dir.ts";
import { readRunning } from "#lab/state/lock.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { describeOwner, portOwner } from "#lab/supervisor/port-owner.ts";
import { findBrowser } from "#lab/testing/browser.ts";
import type { Context } from "./context.ts";
import { defaultPort, portAsked } from "./front-door-port.ts";

export interface Finding {
  readonly about: string;
  /** `note`: works, but is worth knowing. */
  readonly state: "good" | "note" | "bad";
  readonly found: string;
  /** What to do about it. */
  readonly hint?: string;
}

type Examination = (context: Context) => Promise<Finding | readonly Finding[]> | Finding;

const gibibyte = 1024 ** 3;
const inGibibytes = (bytes: number): string => `${(bytes / gibibyte).toFixed(1)} GiB`;

/** In the order they are shown. */
export const examinations: readonly Examination[] = [
  node,
  platform,
  memory,
  stateFolder,
  disk,
  runningLab,
  leftovers,
  pagePort,
  ...labServices.map(program),
  userNamespace,
  async (context) => (await import("./compose-examinations.ts")).containers(context),
  browser,
];

/** What a service would be now, without fetching anything, and how to get the real program. */
function program(service: ServiceDescriptor): Examination {
  const { id, presence } = service;
  return async ({ env }) => {
    try {
      const { kind, version, path, note } = await findProgram(service, env);
      const found = `${kind} ${version}, ${path}`;
      if (kind === "real" || note === undefined) return { about: id, state: "good", found };
      return { about: id, state: "note", found, hint: note };
    } catch (error) {
      const bad = badBecause(id, error);
      const absent = presence === "optional" && env[binVariable(id)] === undefined;
      return absent ? { ...bad, state: "note", found: `absent: ${bad.found}` } : bad;
    }
  };
}

function node(): Finding {
  const own = process.execPath;
  const fromLock = own.startsWith(realpathSync(join(repositoryDir, "node_modules")));
  return {
    about: "node",
    state: fromLock ? "good" : "note",
    found: `${process.versions.node}, ${own}`,
    ...(fromLock
      ? {}
      : {
          hint: "Not the version of the lock file. npm run lab says why when that cannot be used.",
        }),
  };
}

function platform(): Finding {
  const found = `${process.platform} ${process.arch}`;
  const known = /^(linux|darwin) (x64|arm64)$/.test(found);
  return {
    about: "platform",
    state: known ? "good" : "bad",
    found,
    ...(known
      ? {}
      : { hint: "The lab runs on Linux and macOS, x64 and arm64; on Windows in WSL2." }),
  };
}

function memory(): Finding {
  const free = process.availableMemory();
  return {
    about: "memory",
    state: free >= gibibyte ? "good" : "note",
    found: `${inGibibytes(free)} available`,
    ...(free >= gibibyte ? {} : { hint: "The lab wants about 1 GiB; close something large." }),
  };
}

async function stateFolder({ dir }: Context): Promise<Finding> {
  try {
    await openLabDir(dir);
    return { about: "state folder", state: "good", found: dir };
  } catch (error) {
    return badBecause("state folder", error);
  }
}

async function disk({ dir }: Context): Promise<Finding> {
  const { bavail, bsize } = await statfs(dir).catch(() => statfs(repositoryDir));
  const free = bavail * bsize;
  return {
    about: "disk",
    state: free >= gibibyte ? "good" : "bad",
    found: `${inGibibytes(free)} free for ${dir}`,
    ...(free >= gibibyte
      ? {}
      : { hint: "Free some space, or put the state elsewhere: LAB_DIR=/some/folder npm run lab" }),
  };
}

async function runningLab({ dir }: Context): Promise<Finding> {
  const running = await readRunning(dir);
  const found = running ? `${running.origin ?? "starting"}, pid ${running.pid}` : "none";
  return { about: "running lab", state: "good", found };
}

/** Each lab records its process groups in a file named after its pid, and removes it at its end. */
async function leftovers({ dir }: Context): Promise<Finding> {
  const running = await readRunning(dir);
  const files = await readdir(join(dir, "groups")).catch((): string[] => []);
  const stale = files.filter((name) => name !== String(running?.pid));
  return stale.length === 0
    ? { about: "leftovers", state: "good", found: "none" }
    : {
        about: "leftovers",
        state: "note",
        found: `of labs that were killed: pid ${stale.join(", ")}`,
        hint: "The next start clears them away.",
      };
}

async function pagePort({ dir, env }: Context): Promise<Finding> {
  try {
    const asked = portAsked(env.LAB_PORT);
    const port = asked ?? defaultPort;
    const owner = port === 0 ? undefined : await portOwner(port);
    const about = `port ${port}`;
    if (owner === undefined) return { about, state: "good", found: "free, for the page" };
    const running = await readRunning(dir);
    if (typeof owner === "object" && owner.pid === running?.pid) {
      return { about, state: "good", found: "the page of the running lab" };
    }
    const found = `taken by ${describeOwner(owner)}`;
    return asked === undefined
      ? { about, state: "note", found, hint: "The page moves to another port and says so." }
      : { about, state: "bad", found, hint: "Set LAB_PORT to another port, or leave it out." };
  } catch (error) {
    return badBecause("port", error);
  }
}

/** PostgreSQL refuses to run as root; a user namespace makes it somebody else without a second account. */
async function userNamespace(): Promise<readonly Finding[]> {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return [];
  const works = await succeeds("unshare", [
    "--user",
    "--map-user=65534",
    "--map-group=65534",
    "true",
  ]);
  return [
    works
      ? { about: "user namespace", state: "good", found: "allowed; PostgreSQL runs in one" }
      : {
          about: "user namespace",
          state: "note",
          found: "denied",
          hint: "PostgreSQL then runs from a copy that an unprivileged user can read.",
        },
  ];
}

async function browser({ env }: Context): Promise<Finding> {
  const path = await findBrowser(env);
  return path === undefined
    ? {
        about: "chromium",
        state: "note",
        found: "none",
        hint: "Only npm test and npm run e2e need one; they try to fetch it.",
      }
    : { about: "chromium", state: "good", found: path };
}

function badBecause(about: string, error: unknown): Finding {
  if (!(error instanceof LabError)) throw error;
  return { about, state: "bad", found: error.message, hint: error.hint };
}

function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => execFile(program, args, (error) => resolve(error === null)));
}
