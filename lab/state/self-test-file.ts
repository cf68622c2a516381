import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SelfTestBody } from "#lab/api/self-test.ts";
import { writeFileAtomic } from "./atomic-file.ts";

const fileOf = (dir: string): string => join(dir, "self-test.json");

/** What the last self-test of the whole catalogue found; null when there was none, or it cannot be read. */
export async function readSelfTest(dir: string): Promise<SelfTestBody["selfTest"]> {
  try {
    const found = JSON.parse(await readFile(fileOf(dir), "utf8")) as SelfTestBody["selfTest"];
    return Array.isArray(found?.matrix.mutants) && Array.isArray(found.matrix.live) ? found : null;
  } catch {
    return null;
  }
}

/** @throws LabError `disk-full` or `state-unwritable`. */
export const writeSelfTest = (
  dir: string,
  selfTest: NonNullable<SelfTestBody["selfTest"]>,
): Promise<void> => writeFileAtomic(fileOf(dir), `${JSON.stringify(selfTest)}\n`);
