import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type AskedService, isAskedFor } from "#lab/providers/asked-for.ts";
import { fromDebian } from "#lab/providers/debian.ts";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { s3AccessKey } from "./accounts.ts";
import type { Command, LaunchContext, Program, ServiceDescriptor } from "./descriptor.ts";
import type { ServiceId } from "./ids.ts";
import { keycloak } from "./keycloak.ts";
import { scrapeToken } from "./minio/metrics-token.ts";
import { minio } from "./minio.ts";
import { prometheusValues, type ScrapePlaces } from "./prometheus/config.ts";
import { installedPrometheus, otlpFlag, sendsOtlp } from "./prometheus/otlp.ts";
import { renderConfig } from "./render-config.ts";

/** Keeps the metrics of all services over time. The lab's own checks do not need it. */
export const prometheus: ServiceDescriptor = {
  id: "prometheus",
  title: "Prometheus",
  role: "Keeps the metrics of all services over time, with their exemplars.",
  dependsOn: [],
  presence: "optional",
  ports: [{ name: "main" }],
  readiness: { kind: "http", port: "main", path: "/-/ready" },
  startTimeoutMs: 20_000,
  stop: { signal: "SIGTERM", graceMs: 3_000 },
  embedded: {
    named: installedPrometheus.named,
    providers: [
      installedPrometheus.provider,
      fromDebian({
        package: "prometheus",
        file: "usr/bin/prometheus",
        alone: true,
        limitSeconds: 120,
      }),
    ],
    launch: prepare,
  },
};

const tokenFile = "minio-token";

/** Its targets are in the file before it starts: those that it finds later wait seconds for their first scrape. */
async function prepare(program: Program, context: LaunchContext): Promise<Command> {
  const { port, secrets, serviceDir } = context;
  const [config, data] = [join(serviceDir, "prometheus.yml"), join(serviceDir, "data")];
  await mkdir(data, { recursive: true });
  const token = scrapeToken(s3AccessKey, secrets.s3SecretKey);
  await writeFileAtomic(join(serviceDir, tokenFile), token, 0o600);
  const places = await placesOf(context);
  await renderConfig("prometheus/prometheus.yml", prometheusValues(places), config);
  return {
    file: program.path,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      "--storage.tsdb.retention.time=1d",
      "--storage.tsdb.retention.size=256MB",
      `--web.listen-address=127.0.0.1:${port()}`,
      ...(places.takesOtlp ? [otlpFlag] : []),
      "--enable-feature=exemplar-storage",
      "--log.level=warn",
    ],
    cwd: serviceDir,
    env: program.env ?? {},
  };
}

async function placesOf(context: LaunchContext): Promise<ScrapePlaces> {
  const { env, futurePortOf, port, serviceDir } = context;
  const at = (found: number | undefined) =>
    found === undefined ? undefined : `127.0.0.1:${found}`;
  const of = async (id: ServiceId, name?: string) => at(await futurePortOf(id, name));
  const asked = async (id: AskedService, name?: string) =>
    isAskedFor(env, id) ? of(id, name) : undefined;
  const isReal = async (service: ServiceDescriptor): Promise<boolean> =>
    (await findProgram(service, env).catch(() => undefined))?.kind === "real";
  const [isRealMinio, isRealKeycloak, takesOtlp] = await Promise.all([
    isReal(minio),
    isAskedFor(env, "keycloak") && isReal(keycloak),
    sendsOtlp(env),
  ]);
  return {
    prometheus: at(port()),
    server: await of("server", "metrics"),
    store: await of("store"),
    postgres: await of("store", "metrics"),
    collector: await asked("collector", "telemetry"),
    telemetry: takesOtlp ? undefined : await asked("collector", "metrics"),
    tempo: await asked("tempo"),
    loki: await asked("loki"),
    keycloak: isRealKeycloak ? await of("keycloak", "management") : undefined,
    redisExporter: await of("redis-exporter"),
    minio: await of("minio"),
    isRealMinio,
    minioTokenFile: join(serviceDir, tokenFile),
    takesOtlp,
  };
}
