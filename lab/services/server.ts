import { join } from "node:path";
import { nodeCommand, nodeScript } from "#lab/providers/node-script.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import type { ServiceDescriptor } from "./descriptor.ts";
import { databaseUrl } from "./postgres/database-url.ts";

/** The app under observation. */
export const server: ServiceDescriptor = {
  id: "server",
  title: "Shop server",
  role: "The Koa app that is watched while it misbehaves.",
  dependsOn: ["postgres", "store"],
  ports: [{ name: "main" }, { name: "metrics" }],
  readiness: {
    kind: "http",
    port: "main",
    path: "/healthz",
    headers: ({ secrets }) => ({ "x-lab-door": secrets.doorSecret }),
  },
  // The first start fills the database.
  startTimeoutMs: 60_000,
  stop: { signal: "SIGTERM", graceMs: 2_500 },
  embedded: {
    named: nodeScript,
    providers: [() => nodeScript(join(repositoryDir, "server", "main.ts"))],
    launch: (program, { dir, origin, port, portOf, secrets, version }) =>
      nodeCommand(program, {
        dir,
        nodeArgs: ["--import", "./server/telemetry.ts"],
        env: {
          LAB_SERVER_PORT: String(port()),
          LAB_SERVER_METRICS_PORT: String(port("metrics")),
          LAB_ORIGIN: origin,
          LAB_DOOR_SECRET: secrets.doorSecret,
          LAB_TICKET_KEY: secrets.ticketKey,
          LAB_VERSION: version,
          DATABASE_URL: databaseUrl("lab_app", secrets.appPassword, portOf("postgres")),
          LAB_FAULT_DATABASE_URL: databaseUrl(
            "lab_fault",
            secrets.faultPassword,
            portOf("postgres"),
          ),
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${portOf("store")}`,
          SENTRY_DSN: `http://lab@127.0.0.1:${portOf("store")}/1`,
        },
      }),
  },
};
