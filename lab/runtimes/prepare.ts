import { LabError } from "#lab/errors.ts";
import { noteContainers, type RuntimeName } from "#lab/state/runtime-choice.ts";
import type { System } from "#lab/system.ts";
import { chooseRuntime, type Machine } from "./choice.ts";
import type { RuntimeOptions } from "./local-system.ts";

/** A runtime that can be started: what it needs of the machine is there. */
export interface ReadyRuntime {
  /** Which one it is, why, and how to get the other. */
  readonly line: string;
  /** Starts the services. */
  readonly open: (options: RuntimeOptions) => System;
  /** For a lab that does not come to that. */
  readonly cancel: () => Promise<void>;
}

/**
 * The runtime that was asked for, or the one that {@link chooseRuntime} finds. Each is loaded only
 * where it is used.
 * @throws LabError that says what is missing for containers, where somebody asked for them.
 */
export async function prepareRuntime(
  asked: RuntimeName | undefined,
  machine: Machine & { readonly say: (line: string) => void },
): Promise<ReadyRuntime> {
  const { runtime, automatic, line } = await chooseRuntime(asked, machine);
  switch (runtime) {
    case "embedded":
      return embedded(line);
    case "compose":
      try {
        return await compose(line, machine);
      } catch (error) {
        if (!automatic || !(error instanceof LabError)) throw error;
        return embedded(`Embedded runtime, as containers cannot be used: ${error.message}`);
      }
  }
}

async function embedded(line: string): Promise<ReadyRuntime> {
  const { openEmbedded } = await import("./embedded.ts");
  return { line, open: openEmbedded, cancel: async () => {} };
}

async function compose(
  line: string,
  machine: Parameters<typeof prepareRuntime>[1],
): Promise<ReadyRuntime> {
  const { prepareCompose } = await import("./compose.ts");
  await noteContainers(machine.dir);
  return { line, ...(await prepareCompose(machine)) };
}
