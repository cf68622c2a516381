import { readdir, readFile } from "node:fs/promises";
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

/** A file of the catalogue that is no scenario. The message names it, and the line if that is known. */
export class ScenarioFileError extends Error {
  override readonly name = "ScenarioFileError";
}

/** Where a scenario is written, below the catalogue's folder. */
export const scenarioFile = (id: string): string => `${id.replace(".", "/")}.ts`;

/**
 * Loads every `scenarios/<group>/<name>.ts`. Adding a file is all it takes to add a scenario.
 * @throws ScenarioFileError for one that cannot be loaded, whose id differs from its path, or whose
 * folder is no group; or when the catalogue's folder cannot be read.
 */
export async function loadCatalogue(
  folder: URL = scenariosFolder(process.env),
): Promise<Catalogue> {
  const [found] = await Promise.all([
    Promise.all(groups.map((group) => scenariosOf(folder, group))),
    refuseStrays(folder),
  ]);
  return new Map(found.flat().map((scenario) => [scenario.id, scenario]));
}

async function scenariosOf(folder: URL, group: string): Promise<Scenario[]> {
  const files = await sourcesOf(new URL(`${group}/`, folder)).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return [];
      throw error;
    },
  );
  return Promise.all(files.map((file) => scenarioOf(folder, group, file)));
}

const sourcesOf = async (folder: URL): Promise<readonly string[]> =>
  (await readdir(folder))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .sort();

/** A scenario in a folder that is no group would be missed without a word. Other sources may be there. */
async function refuseStrays(folder: URL): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause) => {
    throw new ScenarioFileError(`no scenarios can be read from ${folder.pathname}`, { cause });
  });
  const others = entries.filter(
    (entry) => entry.isDirectory() && !(groups as readonly string[]).includes(entry.name),
  );
  for (const { name: other } of others) {
    for (const file of await sourcesOf(new URL(`${other}/`, folder))) {
      const id = `${other}.${file.slice(0, -".ts".length)}`;
      if (!(await readFile(new URL(`${other}/${file}`, folder), "utf8")).includes(`id: "${id}"`))
        continue;
      throw new ScenarioFileError(
        `scenarios/${other}/${file}: "${other}" is no group; there are ${groups.join(", ")}`,
      );
    }
  }
}

async function scenarioOf(folder: URL, group: string, file: string): Promise<Scenario> {
  const name = `scenarios/${group}/${file}`;
  const { default: scenario } = await load(new URL(`${group}/${file}`, folder), name);
  const id = `${group}.${file.slice(0, -".ts".length)}`;
  if (scenario?.id !== id) {
    throw new ScenarioFileError(
      `${name}: the default export must be a scenario with id "${id}", found "${scenario?.id}"`,
    );
  }
  return scenario;
}

async function load(url: URL, name: string): Promise<{ readonly default?: Scenario }> {
  try {
    return await import(url.href);
  } catch (cause) {
    const { message, stack = "" } = cause instanceof Error ? cause : new Error(String(cause));
    const [, line] = stack.split(`${url.pathname}:`)[1]?.match(/^(\d+)/) ?? [];
    throw new ScenarioFileError(`${name}${line ? `:${line}` : ""}: ${message}`, { cause });
  }
}
