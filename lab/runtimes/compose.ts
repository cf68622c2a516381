import type { ServiceStatus } from "#lab/api/services.ts";
import { hostName } from "#lab/services/container-recipe.ts";
import { type ContainerId, containerRecipes } from "#lab/services/containers.ts";
import type { ServiceDescriptor } from "#lab/services/descriptor.ts";
import { labServices } from "#lab/services/registry.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { openHostDoors } from "./compose/host-doors.ts";
import { watchScrape } from "./compose/scrape-watch.ts";
import { openStack, type Stack } from "./compose/stack.ts";
import { openLocalSystem } from "./local-system.ts";
import type { ReadyRuntime } from "./prepare.ts";

/**
 * The lab with its services in containers, and the app and the store as processes beside them, after
 * a look whether engine and Compose are there.
 * @throws LabError that says what is missing, and what to do about it.
 */
export async function prepareCompose(options: {
  readonly dir: string;
  readonly env: Env;
  readonly say: (line: string) => void;
}): Promise<Omit<ReadyRuntime, "line">> {
  const stack = await openStack(options);
  const doors = await openHostDoors(stack.engine);
  return {
    open: (runtime) => {
      const descriptors = labServices.map((service) =>
        isContainer(service) ? inContainer(service, stack) : besideContainers(service),
      );
      const system = openLocalSystem("compose", descriptors, runtime);
      const openDoors = ({ id }: Pick<ServiceStatus, "id">): void => {
        if (id !== "store" && id !== "server") return;
        for (const name of [undefined, "metrics"]) {
          const url = system.url(id, name);
          if (url !== undefined) doors.open(Number(new URL(url).port));
        }
      };
      system.subscribe(openDoors);
      const listeners = new Set<(row: ServiceStatus) => void>();
      const scrape = watchScrape(system, (row) => {
        for (const listener of listeners) listener(row);
      });
      let closing: Promise<void> | undefined;
      return {
        ...system,
        services: () => system.services().map(scrape.noted),
        subscribe: (listener) => {
          const leave = system.subscribe((row) => listener(scrape.noted(row)));
          listeners.add(listener);
          return () => {
            listeners.delete(listener);
            leave();
          };
        },
        shutdown: () => {
          scrape.end();
          // Asked again, it ends what is left at once.
          const stopped = system.shutdown();
          closing ??= stopped.then(async () => {
            doors.close();
            await stack.close();
          });
          return closing;
        },
      };
    },
    cancel: async () => {
      doors.close();
      await stack.close();
    },
  };
}

export const isContainer = (
  service: ServiceDescriptor,
): service is ServiceDescriptor & { readonly id: ContainerId } => service.id in containerRecipes;

/** The same service with an image for its program and a container for its process. */
export function inContainer(
  service: ServiceDescriptor & { readonly id: ContainerId },
  stack: Stack,
): ServiceDescriptor {
  const recipe = containerRecipes[service.id];
  const { presence: _, ...rest } = service;
  return {
    ...rest,
    dependsOn: [...new Set([...recipe.dependsOn, ...service.dependsOn])],
    ports: recipe.ports,
    readiness: recipe.readiness ?? service.readiness,
    startTimeoutMs: recipe.startTimeoutMs,
    embedded: {
      named: () => stack.program(service.id, {}),
      providers: [(_env, search = {}) => stack.program(service.id, search)],
      launch: (program, context) => stack.launch(service.id, program, context),
      ...(recipe.settle ? { settle: recipe.settle } : {}),
    },
  };
}

/** A process that containers ask by another name than loopback's. */
function besideContainers(service: ServiceDescriptor): ServiceDescriptor {
  const { launch } = service.embedded;
  return {
    ...service,
    // The Collector takes the place where other programs look for OTLP.
    ports: service.ports.map(({ preferred: _, ...port }) => port),
    embedded: {
      ...service.embedded,
      launch: async (program, context) => {
        const command = await launch(program, context);
        if ("begin" in command) return command;
        return { ...command, env: { ...command.env, LAB_CONTAINER_HOST: hostName } };
      },
    },
  };
}
