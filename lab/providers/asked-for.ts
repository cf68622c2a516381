import { LabError } from "#lab/errors.ts";
import type { Provider } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { binVariable } from "./bin-variable.ts";

/** Services whose real program the embedded runtime does without, unless somebody asks for it: something lighter does their work. */
export const askedServices = ["collector", "tempo", "loki", "keycloak"] as const;
export type AskedService = (typeof askedServices)[number];

export const isAskable = (id: string): id is AskedService =>
  (askedServices as readonly string[]).includes(id);

const setting = "LAB_REAL";

/**
 * Whether a service shall be the real program: named in `LAB_REAL` (a list with commas, or `all`), or
 * its program by hand in `LAB_<ID>_BIN`. That it is on PATH alone changes nothing.
 * @throws LabError `bad-setting` for a `LAB_REAL` that names something else.
 */
export function isAskedFor(env: Env, id: AskedService): boolean {
  const names = (env[setting] ?? "").split(",").flatMap((name) => name.trim() || []);
  const known: readonly string[] = [...askedServices, "all"];
  const strange = names.filter((name) => !known.includes(name));
  if (strange.length > 0)
    throw new LabError("bad-setting", `${setting} names ${strange.join(", ")}.`, {
      hint: `It takes ${askedServices.join(", ")}, with commas between them, or all.`,
    });
  return names.includes("all") || names.includes(id) || Boolean(env[binVariable(id)]);
}

/** Offers what another provider has, to those who ask for it. `install` says how to get the program. */
export function whenAskedFor(id: AskedService, provider: Provider, install?: string): Provider {
  return async (env, search) =>
    isAskedFor(env, id)
      ? provider(env, search)
      : {
          notApplicable: "nobody asked for the real one, and something lighter does its work",
          hint: `${install === undefined ? "With it on PATH" : `${install}. Once it is on PATH`}: ${setting}=${id} npm run lab`,
        };
}
