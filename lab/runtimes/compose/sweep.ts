import * as v from "valibot";
import { LabError } from "#lab/errors.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { findComposeTool } from "./compose-tool.ts";
import { type Engine, openEngine } from "./engine.ts";
import { engineAddress } from "./engine-address.ts";
import { openProject, projectLabel, projectName } from "./project.ts";
import { findContainers } from "./stack.ts";

const volumesSchema = v.object({ Volumes: v.nullish(v.array(v.object({ Name: v.string() }))) });

/** What of a state folder's containers is there although no lab runs them. */
export interface Leftovers {
  readonly containers: readonly string[];
  readonly volumes: readonly string[];
  /** Removes the containers and the network; with `volumes` the data too. */
  readonly remove: (options?: { readonly volumes?: boolean }) => Promise<void>;
}

/**
 * Looks for containers and data of a state folder on the engine.
 * @throws LabError when there is no engine to ask.
 */
export async function findLeftovers(dir: string, env: Env): Promise<Leftovers> {
  const address = await engineAddress(env);
  const engine = await openEngine(address);
  const name = projectName(dir);
  return {
    containers: await findContainers(engine, name),
    volumes: await findVolumes(engine, name),
    remove: async (options) => {
      const tool = await findComposeTool(env);
      await openProject({ dir, env, engineUrl: address.url, tool }).down(options);
    },
  };
}

/**
 * Takes down what a lab that was killed left running. Where no engine answers, nothing runs.
 * @returns how many containers there were.
 */
export async function takeDown(dir: string, env: Env): Promise<number> {
  try {
    const { containers, remove } = await findLeftovers(dir, env);
    if (containers.length > 0) await remove();
    return containers.length;
  } catch (error) {
    if (error instanceof LabError && /^engine-(absent|remote)$/.test(error.code)) return 0;
    throw error;
  }
}

async function findVolumes(engine: Engine, project: string): Promise<readonly string[]> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`${projectLabel}=${project}`] }));
  const found = await engine.ask<unknown>("GET", `/volumes?filters=${filters}`);
  return (v.parse(volumesSchema, found ?? {}).Volumes ?? []).map(({ Name }) => Name);
}
