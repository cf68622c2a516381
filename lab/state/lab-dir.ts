import { access, constants, mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { storageError } from "./storage-error.ts";

/** The environment as a process sees it. */
export type Env = Readonly<Record<string, string | undefined>>;

/** This clone's top folder. */
export const repositoryDir = fileURLToPath(new URL("../../", import.meta.url));

/** Folder of this clone's state: `LAB_DIR`, else `.lab` at the top of the clone. Absolute. */
export function labDir(env: Env): string {
  return env.LAB_DIR ? resolve(env.LAB_DIR) : resolve(repositoryDir, ".lab");
}

/**
 * Makes sure the state folder exists and can be written.
 * @throws LabError `state-unwritable` or `disk-full`.
 */
export async function openLabDir(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw storageError(error, dir);
  }
}
