import { LabError } from "#lab/errors.ts";
import { binVariable } from "#lab/providers/bin-variable.ts";
import type { NotApplicable, Program, ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";

/**
 * The first of a service's providers that applies.
 * @throws LabError `no-program` with each provider's reason.
 */
export async function findProgram(descriptor: ServiceDescriptor, env: Env): Promise<Program> {
  const { named, providers } = descriptor.embedded;
  const variable = binVariable(descriptor.id);
  const path = env[variable];
  const misses: NotApplicable[] = [];
  for (const provider of path ? [() => named(path)] : providers) {
    const found = await provider(env);
    if ("path" in found) return found;
    misses.push(found);
  }
  const reasons = misses.map(({ notApplicable }) => notApplicable).join("; ");
  throw new LabError(
    "no-program",
    `No program for ${descriptor.title}${path ? ` where ${variable} points` : " on this machine"}: ${reasons}.`,
    {
      hint:
        misses.flatMap(({ hint }) => hint ?? []).join(" Or: ") ||
        `Correct ${variable}, or leave it out.`,
    },
  );
}
