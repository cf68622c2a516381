import { readFileSync } from "node:fs";
import { join } from "node:path";
import { embeddedServices } from "#lab/services/registry.ts";
import { type Env, repositoryDir } from "#lab/state/lab-dir.ts";
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

function labVersion(): string {
  const { version } = JSON.parse(readFileSync(join(repositoryDir, "package.json"), "utf8"));
  return String(version);
}
