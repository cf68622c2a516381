import { join } from "node:path";
import { nodeCommand, nodeScript } from "#lab/providers/node-script.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { folderHeader, folderInHeader, storeRoutes } from "#lab/store/contract.ts";
import type { ServiceDescriptor } from "./descriptor.ts";
import { databaseUrl } from "./postgres/database-url.ts";

/** Where all telemetry goes: OTLP, logs and Sentry envelopes. */
export const store: ServiceDescriptor = {
  id: "store",
  title: "Telemetry store",
  role: "Receives spans, logs and Sentry envelopes, and answers questions about them.",
  dependsOn: [],
  // 4318 is where OTLP/HTTP exporters of other programs look first.
  ports: [{ name: "main", preferred: 4318 }, { name: "metrics" }],
  readiness: {
    ...{ kind: "http", port: "main", path: storeRoutes.ready },
    // Of two labs that start at once one may still try the port that the other's store listens on.
    headers: ({ serviceDir }) => ({ [folderHeader]: folderInHeader(serviceDir) }),
  },
  startTimeoutMs: 30_000,
  stop: { signal: "SIGTERM", graceMs: 1_500 },
  // Those of PostgreSQL, which has no such endpoint itself.
  metrics: { port: "metrics", path: "/metrics", prefixes: ["lab_pg_"] },
  embedded: {
    named: nodeScript,
    providers: [() => nodeScript(join(repositoryDir, "lab", "store", "main.ts"))],
    launch: async (program, { appPortOf, dir, env, futurePortOf, port, secrets, serviceDir }) =>
      nodeCommand(program, {
        dir,
        env: {
          LAB_STORE_PORT: String(port()),
          LAB_STORE_PROXY_PORT: String(await appPortOf("collector")),
          LAB_STORE_DIR: serviceDir,
          LAB_STORE_METRICS_PORT: String(port("metrics")),
          LAB_MONITOR_DATABASE_URL: databaseUrl(
            "otel_monitor",
            secrets.monitorPassword,
            (await futurePortOf("postgres")) ?? 0,
          ),
          ...(env.LAB_STORE_FSYNC ? { LAB_STORE_FSYNC: env.LAB_STORE_FSYNC } : {}),
          // The user's own Sentry project: the store alone talks to it.
          ...(env.SENTRY_DSN ? { SENTRY_DSN: env.SENTRY_DSN } : {}),
        },
      }),
  },
};
