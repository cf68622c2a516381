import { readFile } from "node:fs/promises";
import { type Catalogue, scenarioFile } from "#scenarios/catalogue.ts";
import { lineOfExpectation, validateScenario } from "../judge/validate.ts";
import type { Unfit } from "./admission.ts";

/**
 * Scenarios whose expectations are unknown to the judge, impossible, or could never fail. The lab
 * starts all the same: they are listed, with file and line of all that is wrong, and cannot be run.
 * @param folder that the catalogue was loaded from.
 */
export async function unfitScenarios(catalogue: Catalogue, folder: URL): Promise<Unfit> {
  const unfit = new Map<string, string>();
  for (const scenario of catalogue.values()) {
    const problems = validateScenario(scenario);
    if (problems.length === 0) continue;
    const file = scenarioFile(scenario.id);
    const source = await readFile(new URL(file, folder), "utf8").catch(() => "");
    const told = problems.map(({ path, message }) => {
      const index = Number(/^expect\[(\d+)\]/.exec(path)?.[1] ?? -1);
      const line = lineOfExpectation(source, scenario, index);
      return `scenarios/${file}${line === undefined ? "" : `:${line}`}: ${path} ${message}`;
    });
    unfit.set(scenario.id, told.join("; "));
  }
  return unfit;
}
