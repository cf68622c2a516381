import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { whenAskedFor } from "#lab/providers/asked-for.ts";
import { withOwnVersion } from "#lab/providers/own-version.ts";
import { onPath } from "#lab/providers/path.ts";
import type { LaunchContext, NotApplicable, Program, ServiceDescriptor } from "./descriptor.ts";
import { renderConfig } from "./render-config.ts";
import type { TemplateValues } from "./template.ts";

/** One of Grafana's programs that keep a signal: a file of settings, a folder of data, and `/ready`. */
export interface TelemetryBackend {
  readonly id: "tempo" | "loki";
  readonly title: string;
  readonly role: string;
  /** Besides the main one. */
  readonly ports: readonly string[];
  /** How to get the program. */
  readonly install: string;
  /** Whose group is the version in what the program says of itself. */
  readonly version: RegExp;
  /** Version of a program that was built without one. */
  readonly unknownVersion: (program: Program) => Promise<string>;
  /** Go's soft limit, e.g. `400MiB`. */
  readonly memory: string;
  /** Values of the template `compose/<id>/<id>.yaml`. */
  readonly values: (
    program: Program,
    port: LaunchContext["port"],
    dataFolder: string,
  ) => TemplateValues;
}

/** Its descriptor: a program of PATH, when somebody asks for it. */
export function telemetryBackend(backend: TelemetryBackend): ServiceDescriptor {
  const { id, title, role } = backend;
  const path = onPath([id], backend.install);
  const withVersion = (found: Program | NotApplicable) =>
    withOwnVersion(found, backend.version, backend.unknownVersion);
  return {
    ...{ id, title, role, dependsOn: [], presence: "optional" },
    ports: ["main", ...backend.ports].map((name) => ({ name })),
    readiness: { kind: "http", port: "main", path: "/ready" },
    startTimeoutMs: 40_000,
    stop: { signal: "SIGTERM", graceMs: 2_500 },
    metrics: { port: "main", path: "/metrics", prefixes: [`${id}_`] },
    embedded: {
      named: async (given) => withVersion(await path.named(given)),
      providers: [
        whenAskedFor(
          id,
          async (...search) => withVersion(await path.provider(...search)),
          backend.install,
        ),
      ],
      launch: async (program, { port, serviceDir }) => {
        const [config, data] = [join(serviceDir, `${id}.yaml`), join(serviceDir, "data")];
        await mkdir(data, { recursive: true });
        await renderConfig(`${id}/${id}.yaml`, backend.values(program, port, data), config);
        return {
          file: program.path,
          args: [`-config.file=${config}`],
          cwd: serviceDir,
          env: { ...program.env, GOMEMLIMIT: backend.memory },
        };
      },
    },
  };
}
