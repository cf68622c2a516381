import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Runs whose traces are kept, oldest pin first; every change is on disk before it is told. */
export interface Pins {
  readonly runs: () => readonly string[];
  readonly add: (runId: string) => void;
  readonly remove: (runId: string) => void;
}

const fileName = "pins.json";

/** Opens the folder's pins. `unreadable` is called when there are some that cannot be read. */
export function openPins(dir: string, unreadable: () => void): Pins {
  const path = join(dir, fileName);
  let runs: readonly string[] = [];
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (!Array.isArray(parsed) || parsed.some((each) => typeof each !== "string"))
      throw new Error("no list of runs");
    runs = parsed as readonly string[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") unreadable();
  }

  function save(next: readonly string[]): void {
    const fresh = `${path}.new`;
    const fd = openSync(fresh, "w", 0o600);
    try {
      writeFileSync(fd, JSON.stringify(next));
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, path);
    runs = next;
  }

  return {
    runs: () => runs,
    add: (runId) => {
      if (!runs.includes(runId)) save([...runs, runId]);
    },
    remove: (runId) => {
      if (runs.includes(runId)) save(runs.filter((each) => each !== runId));
    },
  };
}
