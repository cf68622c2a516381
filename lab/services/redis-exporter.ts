import { fromDebian } from "#lab/providers/debian.ts";
import { onPath } from "#lab/providers/path.ts";
import type { Provider, ServiceDescriptor } from "./descriptor.ts";
import { valkeyProgram } from "./valkey/program.ts";

const path = onPath(
  ["redis_exporter", "prometheus-redis-exporter"],
  "Install it: sudo apt install prometheus-redis-exporter, nix profile install nixpkgs#prometheus-redis-exporter, Docker: oliver006/redis_exporter",
);

/** The exporter, unless Valkey is a stand-in: its few counts under the real names would be pretence. */
export const besideRealValkey =
  (exporter: Provider, program = valkeyProgram): Provider =>
  async (env, search) => {
    const found = await program(env, search);
    if ("path" in found && found.kind === "real") return exporter(env, search);
    return {
      notApplicable: "Valkey is a stand-in here and has no metrics of its own to export",
      hint: "with a real Valkey it starts by itself",
    };
  };

/** Tells what Valkey says of itself as metrics. */
export const redisExporter: ServiceDescriptor = {
  id: "redis-exporter",
  title: "Redis exporter",
  role: "Turns what Valkey says of itself into metrics.",
  dependsOn: [],
  presence: "optional",
  ports: [{ name: "main" }],
  readiness: { kind: "http", port: "main", path: "/health" },
  startTimeoutMs: 15_000,
  stop: { signal: "SIGTERM", graceMs: 1_000 },
  metrics: { port: "main", path: "/metrics", prefixes: ["redis_"] },
  embedded: {
    named: path.named,
    providers: [
      besideRealValkey(path.provider),
      besideRealValkey(
        fromDebian({
          package: "prometheus-redis-exporter",
          file: "usr/bin/prometheus-redis-exporter",
          alone: true,
          limitSeconds: 60,
        }),
      ),
    ],
    launch: async (program, { futurePortOf, port, secrets, serviceDir }) => ({
      file: program.path,
      args: [],
      cwd: serviceDir,
      env: {
        ...program.env,
        // Not the port that faults are put on: it tells how Valkey is, not how it is reached.
        REDIS_ADDR: `redis://127.0.0.1:${(await futurePortOf("valkey")) ?? 0}`,
        REDIS_PASSWORD: secrets.valkeyPassword,
        // A Valkey that stands still is down, and that within the time that a scrape has.
        REDIS_EXPORTER_CONNECTION_TIMEOUT: "1s",
        REDIS_EXPORTER_WEB_LISTEN_ADDRESS: `127.0.0.1:${port()}`,
      },
    }),
  },
};
