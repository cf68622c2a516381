import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Env } from "#lab/state/lab-dir.ts";
import type { DebianRelease } from "../debian-release.ts";

const run = promisify(execFile);

/** An archive's files, and the key that vouches for them. */
export interface ArchiveFiles {
  readonly keyring: string;
  readonly served: ReadonlyMap<string, Buffer>;
}

/** A small Debian archive with one package, behind an HTTP proxy, and a machine whose apt knows it. */
export interface TestArchive {
  readonly release: DebianRelease;
  /** Environment of a machine that reaches the archive by this proxy alone. */
  readonly env: Env;
  /** What was asked of the proxy. */
  readonly asked: readonly string[];
  /** Lets the proxy answer something else for paths that match. */
  readonly tamper: (path: RegExp, change: (bytes: Buffer) => Buffer) => void;
  /** From now on it takes requests and does not answer them, until the returned function is called. */
  readonly silence: () => () => void;
  readonly close: () => Promise<void>;
}

const site = "http://archive.invalid/debian";

/** Package `lab-tool` 1.2.3 with the program `usr/bin/lab-check`; signed by a key of its own. */
export async function makeArchive(dir: string): Promise<ArchiveFiles> {
  const files = await packageFiles(dir);
  const keyring = join(dir, "keyring.gpg");
  const gnupg = join(dir, "g");
  await mkdir(gnupg, { mode: 0o700 });
  const gpg = (...args: string[]) =>
    run("gpg", ["--homedir", gnupg, "--batch", "--quiet", "--passphrase", "", ...args]);
  await gpg("--quick-generate-key", "lab", "ed25519", "sign", "never");
  await gpg("--output", keyring, "--export");
  await writeFile(join(dir, "Release"), files.release);
  await gpg("--output", join(dir, "InRelease"), "--clearsign", join(dir, "Release"));
  await run("gpgconf", ["--homedir", gnupg, "--kill", "all"]);
  const served = new Map<string, Buffer>([
    ["/dists/lab/InRelease", await readFile(join(dir, "InRelease"))],
    [`/dists/lab/main/binary-${files.architecture}/Packages`, files.packages],
    ["/pool/lab-tool.deb", files.deb],
  ]);
  return { keyring, served };
}

/** Serves an archive to a machine whose folders are below `dir`. */
export async function openArchive(
  { keyring, served }: ArchiveFiles,
  dir: string,
): Promise<TestArchive> {
  const changes: { readonly path: RegExp; readonly change: (bytes: Buffer) => Buffer }[] = [];
  const asked: string[] = [];
  let heard = Promise.resolve();
  const proxy = createServer(async (request, response) => {
    asked.push(request.url ?? "");
    await heard;
    const path = (request.url ?? "").replace(site, "");
    const found = served.get(path);
    const change = changes.find((each) => each.path.test(path))?.change;
    response.statusCode = found ? 200 : 404;
    response.end(found && (change?.(found) ?? found));
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  return {
    release: { name: "Debian", codename: "lab", keyring },
    env: { ...(await machineEnv(dir)), http_proxy: `http://127.0.0.1:${port}` },
    asked,
    tamper: (path, change) => changes.push({ path, change }),
    silence: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      heard = promise;
      return resolve;
    },
    close: () => {
      proxy.closeAllConnections();
      return new Promise((resolve) => proxy.close(() => resolve()));
    },
  };
}

async function packageFiles(dir: string) {
  const architecture = (await run("dpkg", ["--print-architecture"])).stdout.trim();
  const root = join(dir, "package");
  await mkdir(join(root, "DEBIAN"), { recursive: true });
  await mkdir(join(root, "usr", "bin"), { recursive: true });
  const control = `Package: lab-tool\nVersion: 1.2.3\nArchitecture: ${architecture}\nMaintainer: lab\nDescription: test\n`;
  await writeFile(join(root, "DEBIAN", "control"), control);
  await writeFile(
    join(root, "usr", "bin", "lab-check"),
    '#!/bin/sh\necho "$(basename "$0") v=1.2.3"\n',
    {
      mode: 0o755,
    },
  );
  await run("dpkg-deb", ["--build", "--root-owner-group", root, join(dir, "lab-tool.deb")]);
  const deb = await readFile(join(dir, "lab-tool.deb"));
  const packages = Buffer.from(
    `${control}Filename: pool/lab-tool.deb\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n\n`,
  );
  const release = [
    ...["Origin: Debian", "Suite: lab", "Codename: lab", `Architectures: ${architecture}`],
    ...["Components: main", `Date: ${new Date().toUTCString()}`, "SHA256:"],
    ` ${sha256(packages)} ${packages.length} main/binary-${architecture}/Packages`,
  ];
  return { architecture, deb, packages, release: `${release.join("\n")}\n` };
}

/** apt of a machine that knows the archive and has settings of nobody else. */
async function machineEnv(dir: string): Promise<Env> {
  const config = join(dir, "machine.conf");
  const list = join(dir, "machine.list");
  const lists = join(dir, "machine-lists");
  await mkdir(lists);
  await writeFile(list, `deb ${site} lab main\n`);
  const settings = [
    ...['Dir::Etc::Parts "/dev/null";', 'Dir::Etc::Main "/dev/null";'],
    ...[`Dir::Etc::sourcelist "${list}";`, 'Dir::Etc::sourceparts "/dev/null";'],
    `Dir::State::lists "${lists}";`,
  ];
  await writeFile(config, settings.join("\n"));
  return { PATH: process.env.PATH, APT_CONFIG: config, HOME: join(dir, "home") };
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** Everything below a folder. */
export const namesIn = (dir: string): Promise<readonly string[]> =>
  readdir(dir, { recursive: true }).catch(() => []);
