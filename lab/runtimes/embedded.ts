import { embeddedServices } from "#lab/services/registry.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { labVersion } from "#lab/state/lab-version.ts";
import type { Secrets } from "#lab/state/secrets.ts";
import { openSupervisor } from "#lab/supervisor/supervisor.ts";
import type { System } from "#lab/system.ts";

export interface EmbeddedOptions {
  /** The lab's state folder. */
  readonly dir: string;
  readonly secrets: Secrets;
  /** Canonical origin, e.g. `http://localhost:4700`. */
  readonly origin: string;
  readonly env: Env;
}

/** The lab without containers: every service is a process of this machine. Starts all of them at once, in the background. */
export function openEmbedded(options: EmbeddedOptions): System {
  const supervisor = openSupervisor({
    ...options,
    descriptors: embeddedServices,
    version: labVersion(),
  });
  return { ...supervisor, runtime: "embedded" };
}
