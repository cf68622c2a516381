import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { S3Client, type S3ClientConfig } from "@aws-sdk/client-s3";
import { minio } from "#lab/services/minio.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { findProgram } from "#lab/supervisor/find-program.ts";
import { freePort } from "#lab/testing/free-port.ts";

export const account = { accessKeyId: "lab", secretAccessKey: "secret-of-this-test-start" };
export const origin = "http://localhost:4700";

/** An object storage in a process of its own. */
export interface StorageUnderTest {
  readonly url: string;
  readonly pid: number;
  /** The process has ended by itself or by a signal. */
  readonly ended: () => boolean;
  readonly client: (config?: Partial<S3ClientConfig>) => S3Client;
  /** A client's bucket, empty and new. */
  readonly newBucketName: () => string;
  /** SIGKILL, and another process on the same data and port. */
  readonly restartHard: () => Promise<void>;
  readonly close: () => Promise<void>;
}

export interface Storage {
  readonly name: "stand-in" | "MinIO";
  /** Why it cannot be tried here. */
  readonly missing: string | undefined;
  readonly open: () => Promise<StorageUnderTest>;
}

type Spawn = (port: number, dir: string) => ChildProcess;

const spawnStandIn: Spawn = (port, dir) =>
  spawn(process.execPath, ["lab/standins/minio/main.ts"], {
    cwd: repositoryDir,
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      LAB_S3_PORT: String(port),
      LAB_S3_DIR: dir,
      LAB_ORIGIN: origin,
      AWS_ACCESS_KEY_ID: account.accessKeyId,
      AWS_SECRET_ACCESS_KEY: account.secretAccessKey,
    },
  });
const spawnMinio =
  (path: string): Spawn =>
  (port, dir) =>
    spawn(
      path,
      ["server", "--address", `127.0.0.1:${port}`, "--certs-dir", join(dir, "..", "certs"), dir],
      {
        stdio: "ignore",
        env: {
          PATH: process.env.PATH,
          HOME: dir,
          MINIO_ROOT_USER: account.accessKeyId,
          MINIO_ROOT_PASSWORD: account.secretAccessKey,
          MINIO_REGION: "us-east-1",
          MINIO_API_CORS_ALLOW_ORIGIN: origin,
          MINIO_BROWSER: "off",
          MINIO_UPDATE: "off",
        },
      },
    );

/** The stand-in, and the real program where `LAB_MINIO_BIN` or PATH has it. */
export async function storages(): Promise<readonly Storage[]> {
  const program = await findProgram(minio, process.env).catch(() => undefined);
  const path = program?.kind === "real" ? program.path : undefined;
  return [
    { name: "stand-in", missing: undefined, open: () => openStorage(spawnStandIn) },
    {
      name: "MinIO",
      missing:
        path === undefined ? "minio is neither on PATH nor named by LAB_MINIO_BIN" : undefined,
      open: () => openStorage(spawnMinio(path ?? "")),
    },
  ];
}

async function openStorage(start: Spawn): Promise<StorageUnderTest> {
  const top = await mkdtemp(join(tmpdir(), "lab-test-"));
  const dir = join(top, "data");
  await mkdir(dir);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child = start(port, dir);
  await ready(url);
  const clients: S3Client[] = [];
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once("exit", () => resolve());
    child.kill(signal);
    await promise;
  };
  return {
    url,
    get pid() {
      return child.pid ?? 0;
    },
    ended: () => child.exitCode !== null || child.signalCode !== null,
    client(config = {}) {
      const client = new S3Client({
        ...{
          endpoint: url,
          region: "us-east-1",
          forcePathStyle: true,
          credentials: account,
          maxAttempts: 1,
        },
        ...config,
      });
      clients.push(client);
      return client;
    },
    newBucketName: () => `test-${randomBytes(4).toString("hex")}`,
    async restartHard() {
      await end("SIGKILL");
      child = start(port, dir);
      await ready(url);
    },
    async close() {
      for (const client of clients) client.destroy();
      await end("SIGTERM");
      await rm(top, { recursive: true, force: true });
    },
  };
}

/** Nobody announces the end of a start: it is asked again and again. */
async function ready(url: string): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    // 503 is MinIO before its drives are ready; 403 is what a stranger gets then.
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.status === 403) return;
    if (performance.now() > deadline) throw new Error(`${url} does not become ready`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
