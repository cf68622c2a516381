import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { groups, type Scenario } from "./define.ts";

/** Every scenario by id, in the order of the groups, then by name. */
export type Catalogue = ReadonlyMap<string, Scenario>;

/** Where scenarios are: `LAB_SCENARIOS`, a folder of groups, else those of this clone. */
export const scenariosFolder = (env: Readonly<Record<string, string | undefined>>): URL =>
  env.LAB_SCENARIOS
    ? pathToFileURL(`${resolve(env.LAB_SCENARIOS)}/`)
    : new URL("./", import.meta.url);

/**
 * Loads every `scenarios/<group>/<name>.ts`. Adding a file is all it takes to add a scenario.
 * @throws Error that names the file when its default export is missing or its id differs from its path.
 */
export async function loadCatalogue(
  folder: URL = scenariosFolder(process.env),
): Promise<Catalogue> {
  const found = await Promise.all(groups.map((group) => scenariosOf(folder, group)));
  return new Map(found.flat().map((scenario) => [scenario.id, scenario]));
}

async function scenariosOf(folder: URL, group: string): Promise<Scenario[]> {
  const names = await readdir(new URL(`${group}/`, folder)).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
  const files = names.filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts")).sort();
  return Promise.all(files.map((file) => scenarioOf(folder, group, file)));
}

async function scenarioOf(folder: URL, group: string, file: string): Promise<Scenario> {
  const url = new URL(`${group}/${file}`, folder);
  const loaded = (await import(
    url.href.startsWith("file:") ? url.href : pathToFileURL(url.href).href
  )) as {
    readonly default?: Scenario;
  };
  const id = `${group}.${file.slice(0, -".ts".length)}`;
  if (loaded.default?.id !== id) {
    throw new Error(
      `scenarios/${group}/${file}: the default export must be a scenario with id "${id}", found "${loaded.default?.id}"`,
    );
  }
  return loaded.default;
}
