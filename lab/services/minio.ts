import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { semiSpace } from "#lab/providers/node-memory.ts";
import { nodeCommand, nodeScript } from "#lab/providers/node-script.ts";
import { onPath } from "#lab/providers/path.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { productBucket, s3AccessKey } from "./accounts.ts";
import type {
  Command,
  LaunchContext,
  NotApplicable,
  Program,
  Provider,
  ServiceDescriptor,
} from "./descriptor.ts";
import { makeBucket } from "./minio/make-bucket.ts";
import { metricsToken } from "./minio/metrics-token.ts";

const region = "us-east-1";
const installHint =
  "Install it: brew install minio, nix profile install nixpkgs#minio, https://github.com/minio/minio, Docker: quay.io/minio/minio";
const path = onPath(["minio"], installHint);

/** Object storage for the product images. */
export const minio: ServiceDescriptor = {
  id: "minio",
  title: "MinIO",
  role: "Keeps the shop's product images: object storage with S3's API.",
  dependsOn: [],
  ports: [{ name: "main" }],
  readiness: { kind: "http", port: "main", path: "/minio/health/live" },
  startTimeoutMs: 20_000,
  stop: { signal: "SIGTERM", graceMs: 1_500 },
  metrics: {
    port: "main",
    // Read anew for every scrape, where version 2 answers from what it knew up to 10 s ago.
    path: "/minio/metrics/v3/api",
    prefixes: ["lab_s3_", "minio_"],
    headers: ({ secrets }) => ({
      authorization: `Bearer ${metricsToken(s3AccessKey, secrets.s3SecretKey)}`,
    }),
  },
  embedded: {
    named: async (given) => released(await path.named(given)),
    providers: [async (...search) => released(await path.provider(...search)), standIn],
    launch: (program, context) =>
      program.kind === "real" ? realCommand(program, context) : standInCommand(program, context),
    settle: ({ port, secrets, signal }) =>
      makeBucket(productBucket, {
        ...{ port: port(), accessKey: s3AccessKey, secretKey: secrets.s3SecretKey, region, signal },
      }),
  },
};

/** MinIO's versions are dates, `RELEASE.2025-09-07T16-13-09Z`; any other number it prints is Go's. */
async function released(found: Program | NotApplicable): Promise<Program | NotApplicable> {
  if (!("path" in found)) return found;
  const { stdout } = await promisify(execFile)(found.path, ["--version"], { timeout: 20_000 });
  const [, version = "unreleased"] =
    /minio version (?:RELEASE\.)?(\d{4}-\d\d-\d\d)?/.exec(stdout) ?? [];
  const from = / \((.+)\)$/.exec(found.version)?.[1] ?? "PATH";
  return { ...found, version: `${version} (${from})` };
}

async function standIn(): ReturnType<Provider> {
  const found = await nodeScript(join(repositoryDir, "lab", "standins", "minio", "main.ts"));
  return "path" in found ? { ...found, kind: "stand-in" } : found;
}

async function realCommand(
  program: Program,
  { origin, port, secrets, serviceDir }: LaunchContext,
): Promise<Command> {
  const [data, certificates] = [join(serviceDir, "minio-data"), join(serviceDir, "certs")];
  await mkdir(data, { recursive: true });
  await mkdir(certificates, { recursive: true });
  return {
    file: program.path,
    args: ["server", "--address", `127.0.0.1:${port()}`, "--certs-dir", certificates, data],
    cwd: serviceDir,
    env: {
      MINIO_ROOT_USER: s3AccessKey,
      MINIO_ROOT_PASSWORD: secrets.s3SecretKey,
      MINIO_REGION: region,
      MINIO_API_CORS_ALLOW_ORIGIN: origin,
      // No console, and no questions about newer releases.
      MINIO_BROWSER: "off",
      MINIO_UPDATE: "off",
    },
  };
}

async function standInCommand(
  program: Program,
  { dir, origin, port, secrets, serviceDir }: LaunchContext,
): Promise<Command> {
  const data = join(serviceDir, "data");
  await mkdir(data, { recursive: true });
  return nodeCommand(program, {
    dir,
    // A small heap: bytes of objects pass through, they are not kept.
    nodeArgs: [semiSpace(1), "--max-old-space-size=128"],
    env: {
      LAB_S3_PORT: String(port()),
      LAB_S3_DIR: data,
      AWS_ACCESS_KEY_ID: s3AccessKey,
      AWS_SECRET_ACCESS_KEY: secrets.s3SecretKey,
      LAB_ORIGIN: origin,
    },
  });
}
