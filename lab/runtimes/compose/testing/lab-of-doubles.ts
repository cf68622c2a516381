import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { grafana } from "#lab/services/grafana.ts";
import { loki } from "#lab/services/loki.ts";
import { prometheus } from "#lab/services/prometheus.ts";
import { tempo } from "#lab/services/tempo.ts";
import { loadSecrets } from "#lab/state/secrets.ts";
import type { System } from "#lab/system.ts";
import { inContainer, isContainer } from "../../compose.ts";
import { openLocalSystem } from "../../local-system.ts";
import { openStack, type Stack } from "../stack.ts";
import { findLeftovers } from "../sweep.ts";
import { doubleImage } from "./engine-under-test.ts";

/** Every image of the lab of doubles is the same one. */
export const env = {
  ...process.env,
  ...Object.fromEntries(
    ["PROMETHEUS", "TEMPO", "LOKI", "GRAFANA"].map((name) => [`${name}_IMAGE`, doubleImage]),
  ),
};

/** Four services of the lab in containers of their own state folder. */
export interface Lab {
  readonly dir: string;
  readonly stack: Stack;
  readonly system: System;
  /** Ids in the order in which they became `starting` and `ready`. */
  readonly order: readonly string[];
  readonly close: () => Promise<void>;
}

/**
 * Starts them, each with a double in its container.
 * @param changes of the environment, e.g. other images.
 */
export async function openLab(changes: Readonly<Record<string, string>> = {}): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  const stack = await openStack({ dir, env: { ...env, ...changes }, say: () => {} });
  const services = [prometheus, tempo, loki, grafana].filter(isContainer);
  const order: string[] = [];
  const system = openLocalSystem(
    "compose",
    services.map((service) => ({
      ...inContainer(service, stack),
      // The rest of the lab is not part of this.
      dependsOn: service.id === "grafana" ? (["prometheus", "tempo", "loki"] as const) : [],
    })),
    { dir, secrets: await loadSecrets(dir), origin: "http://localhost:4700", env },
  );
  system.subscribe(({ id, state }) => {
    if (order.at(-1) !== `${state} ${id}`) order.push(`${state} ${id}`);
  });
  return {
    ...{ dir, stack, system, order },
    close: async () => {
      await system.shutdown();
      await stack.close();
      await (await findLeftovers(dir, env)).remove({ volumes: true });
      await rm(dir, { recursive: true, force: true });
    },
  };
}
