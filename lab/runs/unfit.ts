import { readFile } from "node:fs/promises";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { lineOfExpectation, validateScenario } from "../judge/validate.ts";
import type { Unfit } from "./admission.ts";

/**
 * Scenarios whose expectations are unknown to the judge, impossible, or could never fail. The lab
 * starts all the same: they are listed, with file and line of what is wrong, and cannot be run.
 * @param folder that the catalogue was loaded from.
 */
export async function unfitScenarios(catalogue: Catalogue, folder: URL): Promise<Unfit> {
  const unfit = new Map<string, string>();
  for (const scenario of catalogue.values()) {
    const [first, ...more] = validateScenario(scenario);
    if (first === undefined) continue;
    const file = fileOf(scenario);
    const source = await readFile(new URL(file, folder), "utf8").catch(() => "");
    const index = Number(/^expect\[(\d+)\]/.exec(first.path)?.[1] ?? -1);
    const line = lineOfExpectation(source, scenario, index);
    const place = line === undefined ? file : `${file}:${line}`;
    const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
    unfit.set(scenario.id, `scenarios/${place}: ${first.path} ${first.message}${others}`);
  }
  return unfit;
}

/** Path below the catalogue's folder. */
const fileOf = ({ id }: Scenario): string => `${id.replace(".", "/")}.ts`;
