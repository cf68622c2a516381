import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { asFull } from "./data-files.ts";

/**
 * Writes a record as a whole or not at all: whoever is killed meanwhile leaves the old one. Nothing
 * waits for the disk, so this holds against the end of a process, not of the machine's power.
 */
export async function writeRecord(path: string, record: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomUUID()}.tmp`;
  try {
    await writeFile(draft, JSON.stringify(record), { mode: 0o600 }).catch(asFull);
    await rename(draft, path).catch(asFull);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Never rejects because it is gone already. */
export const removeRecord = (path: string): Promise<void> => unlink(path).catch(() => {});

/** All records of a folder. Drafts are removed; what is no JSON is put aside and reported. */
export async function readRecords(
  dir: string,
  onDamage: (path: string) => void,
): Promise<readonly unknown[]> {
  const names = await readdir(dir).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => {
      const path = join(dir, name);
      if (name.endsWith(".tmp")) await removeRecord(path);
      if (!name.endsWith(".json")) return [];
      try {
        return [JSON.parse(await readFile(path, "utf8")) as unknown];
      } catch {
        await rename(path, `${path}.damaged`).catch(() => {});
        onDamage(path);
        return [];
      }
    }),
  );
  return found.flat();
}
