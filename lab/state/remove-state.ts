import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeElsewhere } from "./elsewhere.ts";
import { storageError } from "./storage-error.ts";

/**
 * Removes all data, logs, secrets and page builds of a state folder, also what services keep outside
 * it. Leaves the lock alone: the caller holds it, or knows that no lab runs.
 * @throws LabError `state-unwritable`.
 */
export async function removeState(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  for (const name of names.filter((entry) => entry !== "lab.json")) {
    const path = join(dir, name);
    try {
      await removeElsewhere(path);
      await rm(path, { recursive: true, force: true });
    } catch (error) {
      throw storageError(error, path);
    }
  }
}
