import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Program } from "./descriptor.ts";
import { telemetryBackend } from "./telemetry-backend.ts";
import { tempoValues } from "./tempo/config.ts";

/** Keeps traces, and finds them with TraceQL. */
export const tempo = telemetryBackend({
  id: "tempo",
  title: "Tempo",
  role: "Keeps traces and answers TraceQL, for Grafana.",
  ports: ["otlp", "grpc", "gossip"],
  install:
    "Get tempo from https://github.com/grafana/tempo/releases (deb, rpm, macOS), nix profile install nixpkgs#tempo, Docker: grafana/tempo",
  version: /tempo, version v?(\d+\.\d+\.\d+)/,
  unknownVersion: majorOf,
  memory: "800MiB",
  values: ({ version }, port, data) =>
    tempoValues({
      line: version.startsWith("2.") ? "tempo2" : "tempo3",
      listen: "127.0.0.1",
      ports: { http: port(), otlp: port("otlp"), grpc: port("grpc"), gossip: port("gossip") },
      data,
    }),
});

/** By its flags: 3.0 brought the one that health checks use. */
async function majorOf({ path: file }: Program): Promise<string> {
  // Asking for help is a failure to it.
  const said = await promisify(execFile)(file, ["-help"], { timeout: 20_000 }).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error,
  );
  return /^ *-health\b/m.test(`${said.stdout}${said.stderr}`) ? "3.x" : "2.x";
}
