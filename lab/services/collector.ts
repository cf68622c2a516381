import { join } from "node:path";
import { isAskedFor, whenAskedFor } from "#lab/providers/asked-for.ts";
import { onPath } from "#lab/providers/path.ts";
import { parseDsn } from "#lab/store/forward/dsn.ts";
import { type CollectorPlaces, collectorValues } from "./collector/config.ts";
import type { Command, LaunchContext, Program, ServiceDescriptor } from "./descriptor.ts";
import { sendsOtlp } from "./prometheus/otlp.ts";
import { renderConfig } from "./render-config.ts";

const install =
  "Get otelcol-contrib from https://github.com/open-telemetry/opentelemetry-collector-releases/releases (deb, rpm, macOS), nix profile install nixpkgs#opentelemetry-collector-contrib, Docker: otel/opentelemetry-collector-contrib";
const path = onPath(["otelcol-contrib"], install);

/** What all telemetry passes on its way to those who keep it. */
export const collector: ServiceDescriptor = {
  id: "collector",
  title: "OpenTelemetry Collector",
  role: "Takes in all telemetry, redacts it, makes metrics of it and passes it on.",
  dependsOn: ["store"],
  presence: "optional",
  ports: [
    { name: "main" },
    { name: "grpc" },
    { name: "health" },
    { name: "telemetry" },
    { name: "metrics" },
  ],
  readiness: { kind: "http", port: "health", path: "/" },
  startTimeoutMs: 30_000,
  stop: { signal: "SIGTERM", graceMs: 2_000 },
  metrics: { port: "metrics", path: "/metrics", prefixes: ["postgresql_", "traces_"] },
  embedded: {
    named: path.named,
    providers: [whenAskedFor("collector", path.provider, install)],
    launch: prepare,
  },
};

async function prepare(program: Program, context: LaunchContext): Promise<Command> {
  const { env, secrets, serviceDir } = context;
  const config = join(serviceDir, "config.yaml");
  await renderConfig("collector/config.yaml", collectorValues(await places(context)), config);
  return {
    file: program.path,
    args: ["--config", config],
    cwd: serviceDir,
    env: {
      ...program.env,
      GOMEMLIMIT: "240MiB",
      LAB_MONITOR_PASSWORD: secrets.monitorPassword,
      ...(env.SENTRY_DSN ? { LAB_SENTRY_AUTH: sentryAuth(env.SENTRY_DSN) } : {}),
    },
  };
}

async function places(context: LaunchContext): Promise<CollectorPlaces> {
  const { env, futurePortOf, port, portOf } = context;
  const at = (found: number | undefined) =>
    found === undefined ? undefined : `127.0.0.1:${found}`;
  const tempo = isAskedFor(env, "tempo") ? at(await futurePortOf("tempo", "otlp")) : undefined;
  const loki = isAskedFor(env, "loki") ? at(await futurePortOf("loki")) : undefined;
  const prometheus = (await sendsOtlp(env)) ? at(await futurePortOf("prometheus")) : undefined;
  return {
    listen: "127.0.0.1",
    ports: {
      http: port(),
      grpc: port("grpc"),
      health: port("health"),
      telemetry: port("telemetry"),
      metrics: port("metrics"),
    },
    store: `http://${at(portOf("store"))}`,
    postgres: at(await futurePortOf("postgres")),
    tempo,
    loki: loki && `http://${loki}`,
    prometheus: prometheus && `http://${prometheus}`,
    sentry: env.SENTRY_DSN ? parseDsn(env.SENTRY_DSN).tracesUrl.href : undefined,
  };
}

/** https://docs.sentry.io/concepts/otlp/ */
function sentryAuth(dsn: string): string {
  return `sentry sentry_key=${parseDsn(dsn).publicKey}`;
}
