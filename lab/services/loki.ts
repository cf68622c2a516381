import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { whenAskedFor } from "#lab/providers/asked-for.ts";
import { withOwnVersion } from "#lab/providers/own-version.ts";
import { onPath } from "#lab/providers/path.ts";
import type {
  Command,
  LaunchContext,
  NotApplicable,
  Program,
  ServiceDescriptor,
} from "./descriptor.ts";
import { lokiValues } from "./loki/config.ts";
import { renderConfig } from "./render-config.ts";

const path = onPath(
  ["loki"],
  "Get loki from https://github.com/grafana/loki/releases, Docker: grafana/loki",
);

/** Keeps log lines, for Grafana. */
export const loki: ServiceDescriptor = {
  id: "loki",
  title: "Loki",
  role: "Keeps log lines and finds them by trace, for Grafana.",
  dependsOn: [],
  presence: "optional",
  ports: [{ name: "main" }, { name: "grpc" }, { name: "gossip" }],
  readiness: { kind: "http", port: "main", path: "/ready" },
  startTimeoutMs: 40_000,
  stop: { signal: "SIGTERM", graceMs: 2_500 },
  metrics: { port: "main", path: "/metrics", prefixes: ["loki_"] },
  embedded: {
    named: async (given) => withVersion(await path.named(given)),
    providers: [
      whenAskedFor("loki", async (...search) => withVersion(await path.provider(...search))),
    ],
    launch: prepare,
  },
};

const withVersion = (found: Program | NotApplicable) =>
  withOwnVersion(found, /loki, version v?(\d+\.\d+\.\d+)/, async () => "unreleased");

async function prepare(program: Program, { port, serviceDir }: LaunchContext): Promise<Command> {
  const [config, data] = [join(serviceDir, "loki.yaml"), join(serviceDir, "data")];
  await mkdir(data, { recursive: true });
  const ports = { http: port(), grpc: port("grpc"), gossip: port("gossip") };
  await renderConfig("loki/loki.yaml", lokiValues({ listen: "127.0.0.1", ports, data }), config);
  return {
    file: program.path,
    args: [`-config.file=${config}`],
    cwd: serviceDir,
    env: { ...program.env, GOMEMLIMIT: "400MiB" },
  };
}
