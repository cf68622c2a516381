import { LabError } from "#lab/errors.ts";
import { parseDsn } from "#lab/store/forward/dsn.ts";
import { issuerOf, s3AccessKey } from "./accounts.ts";
import { collectorValues } from "./collector/config.ts";
import type { ContainerContext, ContainerRecipe } from "./container-recipe.ts";
import type { LaunchContext } from "./descriptor.ts";
import type { ServiceId } from "./ids.ts";
import { realmValues } from "./keycloak/realm.ts";
import { lokiValues } from "./loki/config.ts";
import { scrapeToken } from "./minio/metrics-token.ts";
import { minio } from "./minio.ts";
import { settleRoles } from "./postgres/roles.ts";
import { prometheusValues } from "./prometheus/config.ts";
import type { TemplateValues } from "./template.ts";
import { tempoValues } from "./tempo/config.ts";

/** Every service that is a container in the compose runtime; the others are processes there too. */
export type ContainerId = Exclude<ServiceId, "store" | "server">;

const mounted = "/etc/lab";

const collectorPorts = { http: 4318, grpc: 4317, health: 13_133, telemetry: 8888, metrics: 8889 };
const tempoPorts = { http: 3200, otlp: 4317, grpc: 9095, gossip: 7946 };
const lokiPorts = { http: 3100, grpc: 9095, gossip: 7946 };

/** Two servers of one program: what sets them apart is in the templates of each. */
const valkeyRecipe: ContainerRecipe = {
  ports: [{ name: "main", scheme: "redis", container: 6379 }],
  dependsOn: [],
  startTimeoutMs: 60_000,
  templates: { "valkey.conf": "valkey.conf" },
  values: ({ secrets }) => ({ password: secrets.valkeyPassword }),
  // What its own client looks for.
  secrets: ({ secrets }) => ({ REDISCLI_AUTH: secrets.valkeyPassword }),
};

/** The compose side of the services. */
export const containerRecipes: Readonly<Record<ContainerId, ContainerRecipe>> = {
  postgres: {
    ports: [{ name: "main", scheme: "postgres", container: 5432 }],
    dependsOn: [],
    startTimeoutMs: 90_000,
    templates: { "postgresql.conf": "postgresql.conf" },
    secrets: ({ secrets }) => ({ POSTGRES_PASSWORD: secrets.adminPassword }),
    settle: settleVolume,
  },
  valkey: valkeyRecipe,
  "valkey-cache": valkeyRecipe,
  "redis-exporter": {
    ports: [{ name: "main", container: 9121 }],
    dependsOn: ["valkey"],
    startTimeoutMs: 60_000,
    secrets: ({ secrets }) => ({ REDIS_PASSWORD: secrets.valkeyPassword }),
  },
  minio: {
    ports: [
      { name: "main", container: 9000 },
      { name: "console", container: 9001 },
    ],
    dependsOn: [],
    startTimeoutMs: 60_000,
    secrets: ({ secrets }) => ({ MINIO_ROOT_PASSWORD: secrets.s3SecretKey }),
    settle: async (context) => minio.embedded.settle?.(context),
    variables: async ({ origin }) => ({ LAB_ORIGIN: origin }),
  },
  keycloak: {
    ports: [
      { name: "main", container: 8080 },
      { name: "management", container: 9000 },
    ],
    dependsOn: [],
    startTimeoutMs: 300_000,
    templates: { "lab-realm.json": "realm.json" },
    values: ({ origin, secrets }) => realmValues(origin, secrets),
    secrets: ({ secrets }) => ({ KC_BOOTSTRAP_ADMIN_PASSWORD: secrets.consolePassword }),
    variables: async ({ appPortOf, origin }) => ({
      LAB_KEYCLOAK_ORIGIN: new URL(issuerOf(origin, await appPortOf("keycloak"))).origin,
    }),
  },
  tempo: {
    ports: [{ name: "main", container: tempoPorts.http }],
    dependsOn: [],
    startTimeoutMs: 90_000,
    templates: { "tempo.yaml": "tempo.yaml" },
    values: ({ imageOf }) =>
      tempoValues({
        line: /:2\./.test(imageOf("tempo")) ? "tempo2" : "tempo3",
        listen: "0.0.0.0",
        ports: tempoPorts,
        data: "/var/tempo",
      }),
  },
  loki: {
    ports: [{ name: "main", container: lokiPorts.http }],
    dependsOn: [],
    startTimeoutMs: 90_000,
    templates: { "loki.yaml": "loki.yaml" },
    values: () => lokiValues({ listen: "0.0.0.0", ports: lokiPorts, data: "/loki" }),
  },
  prometheus: {
    ports: [{ name: "main", container: 9090 }],
    dependsOn: [],
    startTimeoutMs: 60_000,
    templates: { "prometheus.yml": "prometheus.yml" },
    values: prometheusTargets,
    files: ({ secrets }) => ({
      "minio-token": scrapeToken(s3AccessKey, secrets.s3SecretKey),
    }),
  },
  collector: {
    // 4318 is where OTLP/HTTP exporters of other programs look first.
    ports: [
      { name: "main", preferred: 4318, container: collectorPorts.http },
      { name: "grpc", preferred: 4317, container: collectorPorts.grpc },
      { name: "health", container: collectorPorts.health },
      { name: "telemetry", container: collectorPorts.telemetry },
      { name: "metrics", container: collectorPorts.metrics },
    ],
    dependsOn: ["postgres", "tempo", "loki", "prometheus"],
    startTimeoutMs: 60_000,
    templates: { "config.yaml": "config.yaml" },
    values: async ({ addressOf, env, imageOf }) => {
      const loki = await addressOf("loki");
      const prometheus = takesOtlp(imageOf("prometheus")) && (await addressOf("prometheus"));
      return collectorValues({
        listen: "0.0.0.0",
        ports: collectorPorts,
        store: `http://${await addressOf("store")}`,
        postgres: await addressOf("postgres"),
        tempo: `tempo:${tempoPorts.otlp}`,
        loki: loki && `http://${loki}`,
        prometheus: prometheus ? `http://${prometheus}` : undefined,
        sentry: env.SENTRY_DSN ? parseDsn(env.SENTRY_DSN).tracesUrl.href : undefined,
      });
    },
    secrets: ({ env, secrets }) => ({
      LAB_MONITOR_PASSWORD: secrets.monitorPassword,
      ...(env.SENTRY_DSN
        ? { LAB_SENTRY_AUTH: `sentry sentry_key=${parseDsn(env.SENTRY_DSN).publicKey}` }
        : {}),
    }),
  },
  grafana: {
    ports: [{ name: "main", container: 3000 }],
    dependsOn: ["tempo", "loki", "prometheus"],
    startTimeoutMs: 120_000,
    secrets: ({ secrets }) => ({ GF_SECURITY_ADMIN_PASSWORD: secrets.consolePassword }),
  },
};

/** Versions before 3 only take it by a flag that is gone. */
const takesOtlp = (image: string): boolean => !/:v?2(?:\.|@|$)/.test(image);

async function prometheusTargets(context: ContainerContext): Promise<TemplateValues> {
  const { addressOf, imageOf } = context;
  const otlp = takesOtlp(imageOf("prometheus"));
  return prometheusValues({
    prometheus: "localhost:9090",
    server: await addressOf("server", "metrics"),
    store: await addressOf("store"),
    postgres: await addressOf("store", "metrics"),
    collector: await addressOf("collector", "telemetry"),
    telemetry: otlp ? undefined : await addressOf("collector", "metrics"),
    tempo: await addressOf("tempo"),
    loki: await addressOf("loki"),
    keycloak: await addressOf("keycloak", "management"),
    redisExporter: await addressOf("redis-exporter"),
    minio: await addressOf("minio"),
    isRealMinio: true,
    minioTokenFile: `${mounted}/minio-token`,
    takesOtlp: otlp,
  });
}

/** The image takes the superuser's password over only when it makes the data. */
async function settleVolume(context: LaunchContext): Promise<void> {
  try {
    await settleRoles(context);
  } catch (error) {
    if (!(error instanceof LabError && error.code === "postgres-password")) throw error;
    throw new LabError(error.code, "The data of PostgreSQL is from a lab with other secrets.", {
      hint: "Start with fresh data: npm run lab -- reset",
      cause: error,
    });
  }
}
