import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
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
import { renderConfig } from "./render-config.ts";
import { type TempoLine, tempoValues } from "./tempo/config.ts";

const path = onPath(
  ["tempo"],
  "Get tempo from https://github.com/grafana/tempo/releases, Docker: grafana/tempo",
);

/** Keeps traces, and finds them with TraceQL. */
export const tempo: ServiceDescriptor = {
  id: "tempo",
  title: "Tempo",
  role: "Keeps traces and answers TraceQL, for Grafana.",
  dependsOn: [],
  presence: "optional",
  ports: [{ name: "main" }, { name: "otlp" }, { name: "grpc" }, { name: "gossip" }],
  readiness: { kind: "http", port: "main", path: "/ready" },
  startTimeoutMs: 40_000,
  stop: { signal: "SIGTERM", graceMs: 2_500 },
  metrics: { port: "main", path: "/metrics", prefixes: ["tempo_"] },
  embedded: {
    named: async (given) => withVersion(await path.named(given)),
    providers: [
      whenAskedFor("tempo", async (...search) => withVersion(await path.provider(...search))),
    ],
    launch: prepare,
  },
};

const withVersion = (found: Program | NotApplicable) =>
  withOwnVersion(found, /tempo, version v?(\d+\.\d+\.\d+)/, majorOf);

/** By its flags: 3.0 brought the one that health checks use. */
async function majorOf({ path: file }: Program): Promise<string> {
  // Asking for help is a failure to it.
  const said = await promisify(execFile)(file, ["-help"], { timeout: 20_000 }).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error,
  );
  return /^ *-health\b/m.test(`${said.stdout}${said.stderr}`) ? "3.x" : "2.x";
}

async function prepare(program: Program, context: LaunchContext): Promise<Command> {
  const { port, serviceDir } = context;
  const [config, data] = [join(serviceDir, "tempo.yaml"), join(serviceDir, "data")];
  await mkdir(data, { recursive: true });
  const line: TempoLine = program.version.startsWith("2.") ? "tempo2" : "tempo3";
  const ports = { http: port(), otlp: port("otlp"), grpc: port("grpc"), gossip: port("gossip") };
  const values = tempoValues({ line, listen: "127.0.0.1", ports, data });
  await renderConfig("tempo/tempo.yaml", values, config);
  return {
    file: program.path,
    args: [`-config.file=${config}`],
    cwd: serviceDir,
    env: { ...program.env, GOMEMLIMIT: "800MiB" },
  };
}
