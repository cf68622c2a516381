import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { writeFileAtomic } from "./atomic-file.ts";

/** How the services are run. */
export const runtimeNames = ["embedded", "compose"] as const;
export type RuntimeName = (typeof runtimeNames)[number];

const choiceSchema = v.object({ version: v.literal(1), runtime: v.picklist(runtimeNames) });
const fileOf = (dir: string): string => join(dir, "runtime.json");

/** The runtime that was last asked for in this state folder; undefined when none was. */
export async function readRuntime(dir: string): Promise<RuntimeName | undefined> {
  try {
    return v.parse(choiceSchema, JSON.parse(await readFile(fileOf(dir), "utf8"))).runtime;
  } catch {
    return undefined;
  }
}

/** @throws LabError `disk-full` or `state-unwritable`. */
export const rememberRuntime = (dir: string, runtime: RuntimeName): Promise<void> =>
  writeFileAtomic(fileOf(dir), `${JSON.stringify({ version: 1, runtime })}\n`);
