import { chmod, lstat, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { writeFileAtomic } from "./atomic-file.ts";

const recordSchema = v.object({ version: v.literal(1), dir: v.string() });
const recordFile = (serviceDir: string) => join(serviceDir, "elsewhere.json");

/** A service's folder outside the state folder; undefined when it has none, or when it is gone or somebody else's by now. */
export async function readElsewhere(serviceDir: string): Promise<string | undefined> {
  try {
    const text = await readFile(recordFile(serviceDir), "utf8");
    const { dir } = v.parse(recordSchema, JSON.parse(text));
    // In a folder that everybody can write to, a name proves nothing.
    const seen = await lstat(dir);
    return seen.isDirectory() && seen.uid === process.getuid?.() ? dir : undefined;
  } catch {
    return undefined;
  }
}

/** Makes a folder that other users may pass through but not list, and records it. */
export async function makeElsewhere(serviceDir: string, prefix: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), prefix));
  await chmod(dir, 0o711);
  await writeFileAtomic(recordFile(serviceDir), `${JSON.stringify({ version: 1, dir })}\n`);
  return dir;
}

/** Removes that folder with all that is in it, and the record. */
export async function removeElsewhere(serviceDir: string): Promise<void> {
  const dir = await readElsewhere(serviceDir);
  if (!dir) return;
  await rm(dir, { recursive: true, force: true });
  await rm(recordFile(serviceDir), { force: true });
}
