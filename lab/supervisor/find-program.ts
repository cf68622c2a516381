import { LabError } from "#lab/errors.ts";
import { binVariable } from "#lab/providers/bin-variable.ts";
import type {
  NotApplicable,
  Program,
  Search,
  ServiceDescriptor,
} from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";

/**
 * The first of a service's providers that applies. A stand-in's note tells why nothing better did.
 * @throws LabError `no-program` with each provider's reason.
 */
export async function findProgram(
  descriptor: ServiceDescriptor,
  env: Env,
  search: Search = {},
): Promise<Program> {
  const { named, providers } = descriptor.embedded;
  const variable = binVariable(descriptor.id);
  const path = env[variable];
  const misses: NotApplicable[] = [];
  for (const provider of path ? [() => named(path)] : providers) {
    const found = await provider(env, search);
    if ("path" in found) return withNote(found, misses);
    misses.push(found);
  }
  throw new LabError(
    "no-program",
    `No program for ${descriptor.title}${path ? ` where ${variable} points` : ""}: ${reasonsOf(misses)}.`,
    { hint: hintsOf(misses) || `Correct ${variable}, or leave it out.` },
  );
}

function withNote(found: Program, misses: readonly NotApplicable[]): Program {
  if (found.kind === "real" || misses.length === 0) return found;
  const hints = hintsOf(misses);
  const note = `Stand-in, because ${reasonsOf(misses)}.${hints ? ` For the real one: ${hints}.` : ""}`;
  return { note, ...found };
}

const reasonsOf = (misses: readonly NotApplicable[]): string =>
  [...new Set(misses.map(({ notApplicable }) => notApplicable))].join("; ");

const hintsOf = (misses: readonly NotApplicable[]): string =>
  [...new Set(misses.flatMap(({ hint }) => hint ?? []))].join("; or: ");
