import { access, readFile, rm } from "node:fs/promises";
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

const marker = (dir: string): string => join(dir, "containers.json");

/**
 * Notes that services of this state folder run in containers, which the lab may leave behind on the
 * engine: their data until it is reset.
 * @throws LabError `disk-full` or `state-unwritable`.
 */
export const noteContainers = (dir: string): Promise<void> =>
  writeFileAtomic(marker(dir), `${JSON.stringify({ version: 1 })}\n`);

/** Whether the engine may have something of this state folder, whatever its runtime is now. */
export const mayHaveContainers = (dir: string): Promise<boolean> =>
  access(marker(dir)).then(
    () => true,
    () => false,
  );

/** Once nothing of it is left on the engine. */
export const forgetContainers = (dir: string): Promise<void> => rm(marker(dir), { force: true });
