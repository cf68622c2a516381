import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type AskedService, isAskedFor } from "#lab/providers/asked-for.ts";
import { fromDebian } from "#lab/providers/debian.ts";
import { onPath } from "#lab/providers/path.ts";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import type { Command, LaunchContext, Program, ServiceDescriptor } from "./descriptor.ts";
import { productBucket, s3AccessKey } from "./accounts.ts";
import { metricsToken } from "./minio/metrics-token.ts";
import { minio } from "./minio.ts";
import { renderTemplate } from "./template.ts";

const path = onPath(
  ["prometheus"],
  "Install it: brew install prometheus, sudo apt install prometheus, nix profile install nixpkgs#prometheus, Docker: prom/prometheus",
);

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
    named: path.named,
    providers: [
      path.provider,
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

/** A lab that runs for longer has its own reasons. */
const tokenValidSeconds = 30 * 24 * 3600;

/** Its targets are in the file before it starts: those that it finds later wait seconds for their first scrape. */
async function prepare(program: Program, context: LaunchContext): Promise<Command> {
  const { port, serviceDir } = context;
  const [config, data] = [join(serviceDir, "prometheus.yml"), join(serviceDir, "data")];
  await mkdir(data, { recursive: true });
  const template = await readFile(join(repositoryDir, "compose/prometheus/prometheus.yml"), "utf8");
  await writeFileAtomic(config, renderTemplate(template, await targets(context)), 0o600);
  return {
    file: program.path,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      "--storage.tsdb.retention.time=1d",
      "--storage.tsdb.retention.size=256MB",
      `--web.listen-address=127.0.0.1:${port()}`,
      "--enable-feature=exemplar-storage",
      "--log.level=warn",
    ],
    cwd: serviceDir,
    env: program.env ?? {},
  };
}

async function targets({ env, futurePortOf, port, secrets, serviceDir }: LaunchContext) {
  const at = (found: number | undefined) =>
    found === undefined ? undefined : `127.0.0.1:${found}`;
  const asked = async (id: AskedService, name?: string) =>
    isAskedFor(env, id) ? at(await futurePortOf(id, name)) : undefined;
  const tokenFile = join(serviceDir, "minio-token");
  const token = metricsToken(s3AccessKey, secrets.s3SecretKey, tokenValidSeconds);
  await writeFileAtomic(tokenFile, token, 0o600);
  const storage = at(await futurePortOf("minio"));
  const isReal = (await findProgram(minio, env).catch(() => undefined))?.kind === "real";
  return {
    prometheus: at(port()),
    server: at(await futurePortOf("server", "metrics")),
    store: at(await futurePortOf("store")),
    postgres: at(await futurePortOf("store", "metrics")),
    collector: await asked("collector", "telemetry"),
    collector_metrics: await asked("collector", "metrics"),
    tempo: await asked("tempo"),
    loki: await asked("loki"),
    redis_exporter: at(await futurePortOf("redis-exporter")),
    minio: storage,
    minio_bucket: storage && isReal ? productBucket : undefined,
    minio_token_file: tokenFile,
  };
}
