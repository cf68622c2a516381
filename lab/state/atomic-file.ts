import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { storageError } from "./storage-error.ts";

/**
 * Replaces a file in one step: a reader, or a start after a power cut, sees the old text or the new
 * one, never half of it.
 * @throws LabError `disk-full` or `state-unwritable`; nothing is left behind then.
 */
export async function writeFileAtomic(path: string, text: string, mode = 0o644): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "w", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw storageError(error, path);
  }
}

/** A rename lasts only once the folder is on disk; some file systems refuse to sync folders. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  await handle.sync().catch(() => {});
  await handle.close();
}

/** Renames a file that cannot be read to `<path>.bad-<time>`, so that a start goes on without it. Returns the new path. */
export async function setAside(path: string, now = new Date()): Promise<string> {
  const aside = `${path}.bad-${now.toISOString().replace(/[:.]/g, "-")}`;
  await rename(path, aside);
  return aside;
}
