import { randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "./atomic-file.ts";

const fileOf = (dir: string): string => join(dir, "token");

/**
 * Makes the token with which programs of the same user enter a lab that was started with `--token`:
 * 32 random bytes as base64url, in a file that only this user can read. Replaces an older one.
 * @throws LabError `disk-full` or `state-unwritable`.
 */
export async function issueToken(dir: string): Promise<string> {
  const token = randomBytes(32).toString("base64url");
  await writeFileAtomic(fileOf(dir), `${token}\n`, 0o600);
  return token;
}

/** The token of the lab in this state folder; undefined when that lab asks for none. */
export async function readToken(dir: string): Promise<string | undefined> {
  try {
    return (await readFile(fileOf(dir), "utf8")).trim();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** A token that is not there is no error. */
export const withdrawToken = (dir: string): Promise<void> => rm(fileOf(dir), { force: true });
