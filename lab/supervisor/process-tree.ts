import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { identify, type ProcessIdentity } from "./process-identity.ts";

/** A process tree that stands still. */
export interface Frozen {
  /** Lets it go on where it stood; harmless when called again, and for what has ended meanwhile. */
  readonly thaw: () => void;
}

/**
 * Stops a process and everything below it with SIGSTOP. A group is not enough: each process that
 * PostgreSQL serves a connection with leads a session of its own.
 * @param hold records what leads a group of its own, so that it is not left behind standing still.
 */
export function freeze(pid: number, hold: (leader: ProcessIdentity) => void): Frozen {
  const frozen = new Map<number, ProcessIdentity>();
  // What is stopped forks no more, so this ends.
  for (let found = [pid]; found.length > 0; found = below(pid).filter((id) => !frozen.has(id))) {
    for (const id of found) {
      const identity = identify(id);
      if (identity === undefined || !signal(id, "SIGSTOP")) {
        frozen.set(id, { pid: id, start: "" });
        continue;
      }
      frozen.set(id, identity);
      if (id !== pid) hold(identity);
    }
  }
  return {
    thaw: () => {
      for (const { pid: id, start } of [...frozen.values()].toReversed())
        if (identify(id)?.start === start) signal(id, "SIGCONT");
      frozen.clear();
    },
  };
}

function signal(pid: number, name: "SIGSTOP" | "SIGCONT"): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** Descendants, parents before their children. */
function below(root: number): readonly number[] {
  const parents = process.platform === "linux" ? parentsFromProc() : parentsFromPs();
  const children = Map.groupBy(parents, ([, parent]) => parent);
  const found: number[] = [];
  for (let at: readonly number[] = [root]; at.length > 0; ) {
    at = at.flatMap((pid) => (children.get(pid) ?? []).map(([child]) => child));
    found.push(...at);
  }
  return found;
}

/** Process and parent: fields 1 and 4 of `/proc/<pid>/stat` (proc_pid_stat(5)). */
function parentsFromProc(): readonly (readonly [number, number])[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return [
          [Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])] as const,
        ];
      } catch {
        return [];
      }
    });
}

/** The way of systems without `/proc`. */
export function parentsFromPs(): readonly (readonly [number, number])[] {
  return execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .map((line) => {
      const [pid, parent] = line.trim().split(/\s+/);
      return [Number(pid), Number(parent)] as const;
    });
}
