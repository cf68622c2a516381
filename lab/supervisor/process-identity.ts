import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * A process for sure: pids are reused, so a pid alone names nobody. `start` is opaque and compares
 * equal only for the same process: clock ticks since boot where there is a `/proc`, else what
 * `ps -o lstart=` says.
 */
export interface ProcessIdentity {
  readonly pid: number;
  readonly start: string;
}

/** The live process that has this pid now; undefined when there is none (a zombie counts as none). */
export function identify(pid: number): ProcessIdentity | undefined {
  const start = process.platform === "linux" ? startFromProc(pid) : startFromPs(pid);
  return start === undefined ? undefined : { pid, start };
}

/** Whether that very process still runs. */
export function isAlive(who: ProcessIdentity): boolean {
  return identify(who.pid)?.start === who.start;
}

/** Command line of the live process that has this pid now; undefined when there is none. */
export function commandOf(pid: number): string | undefined {
  if (identify(pid) === undefined) return undefined;
  try {
    if (process.platform === "linux")
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
    return ps("command=", pid);
  } catch {
    return undefined;
  }
}

/** Changes with every boot, so that records of an earlier boot are known to be dead; empty where the system does not tell. */
export function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** Field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)). The name in field 2 may hold blanks and brackets, so count from the last one. */
function startFromProc(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Exported for its test: the way of systems without `/proc`. */
export function startFromPs(pid: number): string | undefined {
  try {
    const [, state, start] = /^(\S+)\s+(.*)$/.exec(ps("stat=,lstart=", pid)) ?? [];
    return !state || state.startsWith("Z") ? undefined : start?.replace(/\s+/g, "_");
  } catch {
    return undefined;
  }
}

function ps(columns: string, pid: number): string {
  return execFileSync("ps", ["-o", columns, "-p", String(pid)], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, LC_ALL: "C" },
  }).trim();
}
