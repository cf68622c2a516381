import type { PortSpec, ServiceDescriptor } from "#lab/services/descriptor.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { demandPort, parsePort, pickPort, portBusy, returnPort } from "./ports.ts";

/** The ports of one service. They stay the same over restarts, because others were told them. */
export interface PortTable {
  /** Finds ports for those that have none yet. @throws LabError `port-busy`, `bad-port`. */
  readonly assign: () => Promise<void>;
  /** Finds others after the service could not listen. @throws LabError `port-busy` when they were set by hand. */
  readonly move: () => Promise<void>;
  readonly get: (name?: string) => number | undefined;
  /** @throws Error when the service has no such port yet: a mistake in a descriptor. */
  readonly demand: (name?: string) => number;
  readonly url: (name?: string) => string | undefined;
}

export function openPortTable(descriptor: ServiceDescriptor, env: Env): PortTable {
  const ports = new Map<string, number>();
  const mainName = descriptor.ports[0]?.name ?? "main";
  const get = (name = mainName) => ports.get(name);
  const ask = (spec: PortSpec) => ({
    title: descriptor.title,
    variable: portVariable(descriptor.id, spec.name === mainName ? undefined : spec.name),
  });
  const explicit = (spec: PortSpec) => {
    const { variable } = ask(spec);
    const text = env[variable];
    return text ? parsePort(text, variable) : undefined;
  };
  const assign = async () => {
    for (const spec of descriptor.ports) {
      if (ports.has(spec.name)) continue;
      const wanted = explicit(spec);
      if (wanted !== undefined) await demandPort(wanted, ask(spec));
      ports.set(spec.name, wanted ?? (await pickPort(spec)));
    }
  };
  let assigning: Promise<void> = Promise.resolve();
  return {
    // Others may ask for a port while its service starts.
    assign: () => {
      assigning = assigning.catch(() => {}).then(assign);
      return assigning;
    },
    move: async () => {
      for (const spec of descriptor.ports) {
        const wanted = explicit(spec);
        if (wanted !== undefined) {
          returnPort(wanted);
          throw await portBusy(wanted, ask(spec));
        }
        const old = ports.get(spec.name);
        ports.set(spec.name, await pickPort());
        if (old !== undefined) returnPort(old);
      }
    },
    get,
    demand: (name) => {
      const port = get(name);
      if (port === undefined) throw new Error(`${descriptor.id} has no port ${name ?? mainName}`);
      return port;
    },
    url: (name = mainName) => {
      const port = ports.get(name);
      const scheme = descriptor.ports.find((spec) => spec.name === name)?.scheme ?? "http";
      return port === undefined ? undefined : `${scheme}://127.0.0.1:${port}`;
    },
  };
}

/** The setting that asks for a port: `LAB_SERVER_PORT`, `LAB_SERVER_METRICS_PORT`. */
export function portVariable(id: string, name?: string): string {
  return ["LAB", id, ...(name ? [name] : []), "PORT"].join("_").toUpperCase().replaceAll("-", "_");
}
