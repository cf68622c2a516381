import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { LabError } from "#lab/errors.ts";
import { findComposeTool } from "../compose-tool.ts";
import { openEngine } from "../engine.ts";
import { engineAddress } from "../engine-address.ts";

const run = promisify(execFile);

/** Image of the doubles; never a name that somebody else publishes under. */
export const doubleImage = "lab-test/double:1";

/**
 * Why containers cannot be tried on this machine; undefined when they can. An engine and Compose
 * have to answer, and the doubles are made of a static busybox: on PATH, or where `LAB_TEST_BUSYBOX`
 * points (Debian: package busybox-static).
 */
export async function whyNoContainers(): Promise<string | undefined> {
  try {
    await Promise.all([openEngine(await engineAddress(process.env)), findComposeTool(process.env)]);
  } catch (error) {
    if (error instanceof LabError) return error.message;
    throw error;
  }
  return (await staticBusybox()) === undefined ? "there is no static busybox here" : undefined;
}

async function staticBusybox(): Promise<string | undefined> {
  const folders = (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "busybox"));
  for (const path of [process.env.LAB_TEST_BUSYBOX ?? "", ...folders].filter(Boolean)) {
    const linked = await run("ldd", [path]).catch(
      (error: { stderr?: string; stdout?: string }) => error,
    );
    if (!/not a dynamic executable|statically linked/.test(`${linked.stdout}${linked.stderr}`))
      continue;
    // So is every file that is no program.
    if (await run(path, ["true"]).catch(() => undefined)) return path;
  }
  return undefined;
}

/** Programs by which the blocks of compose.yaml ask how their service is. */
const asks = { "bin/promtool": 9090, tempo: 3200, "usr/bin/loki": 3100 };

/** Listens where the arguments of a block say, tells its name, and ends at SIGTERM. */
const entry = `#!/bin/sh
case "$*" in
  *prometheus*) port=9090 ;;
  *loki*) port=3100 ;;
  *tempo*) port=3200 ;;
  *) port=3000 ;;
esac
echo "double on $port with $*"
httpd -f -p $port -h /www &
trap 'kill $!; exit 0' TERM INT
wait
`;

/** Makes the image of the doubles of Prometheus, Tempo, Loki and Grafana. */
export const makeDoubleImage = (): Promise<void> => withDoubleFiles(importImage);

/**
 * The same files as a tar, for an image that is pulled.
 * @param filler bytes that cannot be packed, which make it large.
 */
export async function doubleLayer(filler: number): Promise<Buffer> {
  let layer: Buffer = Buffer.alloc(0);
  await withDoubleFiles(async (root) => {
    await writeFile(join(root, "filler"), randomBytes(filler));
    const packed = run("tar", ["-C", root, "-c", "."], {
      encoding: "buffer",
      maxBuffer: 64 * 2 ** 20,
    });
    layer = (await packed).stdout;
  });
  return layer;
}

/** Where the program of the doubles is in their image. */
export const doubleEntry = "/bin/entry";

async function withDoubleFiles(use: (root: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "lab-test-"));
  try {
    const folders = ["bin", "usr/bin", "www/-", "www/api", "var/tempo", "loki", "prometheus"];
    for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
    await copyFile((await staticBusybox()) ?? "", join(root, "bin/busybox"));
    for (const name of ["sh", "httpd", "wget", "kill"])
      await symlink("busybox", join(root, "bin", name));
    await writeFile(join(root, "bin/entry"), entry);
    for (const [name, port] of Object.entries(asks))
      await writeFile(
        join(root, name),
        `#!/bin/sh\nexec wget -q -O /dev/null http://127.0.0.1:${port}/ready\n`,
      );
    for (const name of ["bin/busybox", "bin/entry", ...Object.keys(asks)])
      await chmod(join(root, name), 0o755);
    for (const page of ["ready", "-/ready", "api/health"])
      await writeFile(join(root, "www", page), "ok\n");
    await use(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function importImage(root: string): Promise<void> {
  const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const changes = ["-c", `ENTRYPOINT ["${doubleEntry}"]`, "-c", "ENV PATH=/bin"];
  const docker = spawn("docker", ["import", ...changes, "-", doubleImage], {
    stdio: [tar.stdout, "ignore", "inherit"],
  });
  const [code] = await once(docker, "exit");
  if (code !== 0) throw new Error(`docker import ended with ${code}`);
}

/** Takes images away that a test has pulled. */
export const removeImages = async (...images: readonly string[]): Promise<void> => {
  await run("docker", ["image", "rm", "--force", ...images]).catch(() => {});
};

/** The engine's own processor, as images name it. */
export async function engineArchitecture(): Promise<string> {
  return (await run("docker", ["version", "--format", "{{.Server.Arch}}"])).stdout.trim();
}
