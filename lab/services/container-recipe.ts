import type { LaunchContext, PortSpec, Probe } from "./descriptor.ts";
import type { ServiceId } from "./ids.ts";
import type { TemplateValues } from "./template.ts";

/**
 * What a service is in the compose runtime besides its block in `compose/compose.yaml`: the templates
 * of `compose/<id>/` are rendered into `<state folder>/<id>/config`, which the block mounts.
 */
export interface ContainerRecipe {
  /** Ports of the host, each published for one of the container; the first is the main one. */
  readonly ports: readonly ContainerPort[];
  /** Ready before this one starts; the same as `depends_on` of the block. */
  readonly dependsOn: readonly ServiceId[];
  /** Instead of that of the descriptor. */
  readonly readiness?: Probe;
  /** From the container's start to ready: slower than a process on a cold machine. */
  readonly startTimeoutMs: number;
  /** Name in the folder that is mounted → template in `compose/<id>/`. */
  readonly templates?: Readonly<Record<string, string>>;
  readonly values?: (context: ContainerContext) => Promise<TemplateValues> | TemplateValues;
  /** Files of its configuration besides the templates, by name. */
  readonly files?: (context: ContainerContext) => Readonly<Record<string, string>>;
  /** Environment that nobody else may read; `secrets.env` of the service. */
  readonly secrets?: (context: ContainerContext) => Readonly<Record<string, string>>;
  /** After the probe answered and before others may use it. */
  readonly settle?: (context: LaunchContext) => Promise<void>;
  /** Other variables that the block asks for. */
  readonly variables?: (context: ContainerContext) => Promise<Readonly<Record<string, string>>>;
}

export interface ContainerPort extends PortSpec {
  /** Where the program listens inside of the container. */
  readonly container: number;
}

/** What a recipe may use. */
export interface ContainerContext extends LaunchContext {
  /** Name of a service's image, with its tag. */
  readonly imageOf: (id: ServiceId) => string;
  /**
   * `host:port` by which a container reaches a service, be that a container or a process of the host;
   * undefined when it has no such port.
   */
  readonly addressOf: (id: ServiceId, port?: string) => Promise<string | undefined>;
}

/** Name of the host as containers know it. */
export const hostName = "host.docker.internal";
