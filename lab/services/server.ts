import { join } from "node:path";
import { semiSpace } from "#lab/providers/node-memory.ts";
import { nodeCommand, nodeScript } from "#lab/providers/node-script.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { issuerOf, oidcClientId, productBucket, s3AccessKey, userName } from "./accounts.ts";
import type { ServiceDescriptor } from "./descriptor.ts";
import { databaseUrl } from "./postgres/database-url.ts";

const cacheUrl = (password: string, port: number | undefined) =>
  port === undefined ? {} : { VALKEY_CACHE_URL: `redis://:${password}@127.0.0.1:${port}` };

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
    // Its packages are the longest step of a start.
    loadsEarly: true,
    launch: async (program, { appPortOf, dir, futurePortOf, origin, port, secrets, version }) =>
      nodeCommand(program, {
        dir,
        // Half of it would cost each request a twentieth more, in more frequent collections.
        nodeArgs: [semiSpace(8), "--import", "./server/telemetry.ts"],
        env: {
          LAB_SERVER_PORT: String(port()),
          LAB_SERVER_METRICS_PORT: String(port("metrics")),
          LAB_ORIGIN: origin,
          LAB_DOOR_SECRET: secrets.doorSecret,
          LAB_TICKET_KEY: secrets.ticketKey,
          LAB_VERSION: version,
          DATABASE_URL: databaseUrl("lab_app", secrets.appPassword, await appPortOf("postgres")),
          LAB_FAULT_DATABASE_URL: databaseUrl(
            "lab_fault",
            secrets.faultPassword,
            (await futurePortOf("postgres")) ?? 0,
          ),
          VALKEY_URL: `redis://:${secrets.valkeyPassword}@127.0.0.1:${await appPortOf("valkey")}`,
          ...cacheUrl(secrets.valkeyPassword, await futurePortOf("valkey-cache")),
          S3_ENDPOINT: `http://127.0.0.1:${await appPortOf("minio")}`,
          S3_BUCKET: productBucket,
          AWS_ACCESS_KEY_ID: s3AccessKey,
          AWS_SECRET_ACCESS_KEY: secrets.s3SecretKey,
          AWS_REGION: "us-east-1",
          OIDC_ISSUER: issuerOf(origin, await appPortOf("keycloak")),
          OIDC_CLIENT_ID: oidcClientId,
          OIDC_CLIENT_SECRET: secrets.oidcClientSecret,
          LAB_COOKIE_KEYS: secrets.cookieKeys.join(","),
          LAB_USER_NAME: userName,
          LAB_USER_PASSWORD: secrets.userPassword,
          OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await appPortOf("collector")}`,
          SENTRY_DSN: `http://lab@127.0.0.1:${await futurePortOf("store")}/1`,
        },
      }),
  },
};
