import { LabError } from "#lab/errors.ts";
import { askedServices } from "#lab/providers/asked-for.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import { labServices } from "#lab/services/registry.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";

/** What a service of the lab would be on this machine. */
export interface FoundProgram {
  readonly id: ServiceId;
  readonly kind: "real" | "stand-in" | "absent";
  /** Of the program, or why there is none and how to get it. */
  readonly told: string;
}

/** Services whose program is the lab's own: they have no other. */
const own: readonly ServiceId[] = ["store", "server"];

/** What each service would be if every real program that is here, or may be fetched, were used. */
export async function findPrograms(env: Env): Promise<readonly FoundProgram[]> {
  const everything = { ...env, LAB_REAL: askedServices.join(",") };
  const services = labServices.filter(({ id }) => !own.includes(id));
  return Promise.all(
    services.map(async (service): Promise<FoundProgram> => {
      try {
        const { kind, version, path, note } = await findProgram(service, everything, {
          fetches: true,
        });
        const told = kind === "real" ? `${version}, ${path}` : (note ?? version);
        return { id: service.id, kind, told };
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        return { id: service.id, kind: "absent", told: `${error.message} ${error.hint}` };
      }
    }),
  );
}

/** `LAB_REAL` that asks for those of them that are here. */
export const realSetting = (found: readonly FoundProgram[]): string =>
  found
    .filter(({ id, kind }) => kind === "real" && (askedServices as readonly string[]).includes(id))
    .map(({ id }) => id)
    .join(",");

/** One line per service. */
export const programLines = (found: readonly FoundProgram[]): readonly string[] =>
  found.map(({ id, kind, told }) => `${kind.padEnd(9)} ${id.padEnd(15)} ${told}`);
