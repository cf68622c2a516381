import { execFile, spawn } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { storageError } from "#lab/state/storage-error.ts";
import { bootId, identify, isAlive, type ProcessIdentity } from "./process-identity.ts";

const watchdogScript = fileURLToPath(new URL("./watchdog.sh", import.meta.url));

/**
 * Keeps children from outliving this process, however it ends. Two ways that do not need each
 * other: the kernel's parent-death signal (Linux), and a watchdog process that holds a pipe from us
 * and ends every recorded process group when the pipe closes. What both missed is swept at the next
 * start.
 */
export interface Leash {
  /** Puts `setpriv --pdeathsig` in front where the machine has it. */
  readonly deathSignal: (signal: "SIGTERM" | "SIGINT") => readonly string[];
  /** Records a process group right after its leader was spawned. */
  readonly hold: (leader: ProcessIdentity) => void;
  /** To be called once nothing runs any more. */
  readonly release: () => void;
}

/** Which of the two ways to use; tests switch one off to try the other. */
export interface LeashOptions {
  readonly watchdog?: boolean;
  readonly deathSignal?: boolean;
}

/** @throws LabError `disk-full` or `state-unwritable`. */
export async function openLeash(dir: string, options: LeashOptions = {}): Promise<Leash> {
  const folder = join(dir, "groups");
  const file = join(folder, `${process.pid}`);
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${ownerLine()}\n`);
  } catch (error) {
    throw storageError(error, file);
  }
  const useSetpriv = options.deathSignal !== false && (await setprivWorks());
  const watchdog = options.watchdog === false ? undefined : startWatchdog(file);
  return {
    deathSignal: (signal) =>
      useSetpriv ? ["setpriv", "--pdeathsig", signal.slice("SIG".length), "--"] : [],
    hold: ({ pid, start }) => {
      try {
        appendFileSync(file, `${pid} ${start}\n`);
      } catch {
        // A full disk: the death signal is left.
      }
    },
    release: () => {
      rmSync(file, { force: true });
      // Its end alone would look like ours, to one that comes to it after the next leash took the file.
      watchdog?.stdin.end("released\n");
    },
  };
}

function startWatchdog(file: string) {
  const child = spawn("/bin/sh", [watchdogScript, file], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
    cwd: "/",
  });
  // Its end is no reason for ours, in either direction.
  child.on("error", () => {});
  child.stdin.on("error", () => {});
  child.unref();
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
  return child;
}

/** BusyBox has a `setpriv` without this option, so try it. */
function setprivWorks(): Promise<boolean> {
  if (process.platform !== "linux") return Promise.resolve(false);
  return new Promise((resolve) => {
    execFile("setpriv", ["--pdeathsig", "TERM", "--", "true"], (error) => resolve(error === null));
  });
}

function ownerLine(): string {
  return `owner ${process.pid} ${identify(process.pid)?.start ?? "?"} ${bootId()}`;
}

/**
 * Ends what labs of this folder left behind: TERM, then after `graceMs` KILL. A group is touched only
 * when its leader's pid and start time both match. Returns the pids that were ended.
 */
export async function sweepLeftovers(dir: string, graceMs = 2_000): Promise<readonly number[]> {
  const folder = join(dir, "groups");
  const files = readFolder(folder).map((name) => join(folder, name));
  const left: ProcessIdentity[] = [];
  for (const file of files) {
    const record = readGroups(file);
    if (record.ownerAlive) continue;
    left.push(...record.leaders.filter(isAlive));
    rmSync(file, { force: true });
  }
  for (const { pid } of left) {
    signalGroup(pid, "SIGTERM");
    signalGroup(pid, "SIGCONT");
  }
  const deadline = Date.now() + graceMs;
  while (left.some(isAlive) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 20));
  for (const leader of left) if (isAlive(leader)) signalGroup(leader.pid, "SIGKILL");
  return left.map(({ pid }) => pid);
}

/** Signals a whole process group; one that is gone is no error. */
export function signalGroup(pgid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pgid, signal);
  } catch (error) {
    // macOS answers EPERM for a group of zombies.
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}

function readFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readGroups(file: string): { ownerAlive: boolean; leaders: readonly ProcessIdentity[] } {
  let text = "";
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // Unreadable: nothing is known, so nothing is touched.
  }
  const lines = text.split("\n").map((line) => line.split(" "));
  const [owner, ...rest] = lines;
  const sameBoot = owner?.[0] === "owner" && owner[3] === bootId();
  if (!sameBoot) return { ownerAlive: false, leaders: [] };
  return {
    ownerAlive: isAlive({ pid: Number(owner[1]), start: owner[2] ?? "" }),
    leaders: rest.flatMap(([pid, start]) =>
      start && Number.isInteger(Number(pid)) && Number(pid) > 1
        ? [{ pid: Number(pid), start }]
        : [],
    ),
  };
}
