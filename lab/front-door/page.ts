import { fork } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { LabError } from "../errors.ts";

export interface PageProgress {
  readonly step: string;
  /** From 0 to 1. */
  readonly done: number;
}

export interface BuiltPage {
  readonly dir: string;
  /** Of everything the build read. */
  readonly hash: string;
  /** It was there already. */
  readonly cached: boolean;
}

export interface BuildPageOptions {
  /** The lab's state folder; the page goes to `<dir>/page/<hash>`. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress?: (progress: PageProgress) => void;
  /** Stops the build. */
  readonly signal?: AbortSignal;
  /** The clone that is built; default: this one. */
  readonly root?: string;
}

/** What the build reads, files and folders, relative to the clone. */
const inputs = [
  "web",
  "lab/api",
  "lab/services/ids.ts",
  "scenarios/define.ts",
  "scenarios/names.ts",
  "package-lock.json",
  "vite.config.ts",
];
const buildsKept = 3;
/** Names under `page/` that a build in progress uses; older than this, its process is gone. */
const abandonedAfterMs = 10 * 60_000;

/**
 * Builds the page unless a build of the same content is there. Several may call it at once, in
 * several processes: each builds aside, the first to finish wins.
 * @throws LabError `page-build-failed` with what Vite said.
 */
export async function buildPage(options: BuildPageOptions): Promise<BuiltPage> {
  const root = options.root ?? fileURLToPath(new URL("../../", import.meta.url));
  const hash = await contentHash(root);
  const pages = join(options.dir, "page");
  const dir = join(pages, hash);
  if (existsSync(join(dir, "index.html"))) {
    await utimes(dir, new Date(), new Date());
    return { dir, hash, cached: true };
  }
  const aside = join(pages, `.building-${randomUUID()}`);
  await mkdir(pages, { recursive: true });
  try {
    await runBuild(root, aside, options);
    await rename(aside, dir).catch(async (error: NodeJS.ErrnoException) => {
      // Another process built the same content meanwhile; its build is as good.
      if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
  await prune(pages, hash);
  return { dir, hash, cached: false };
}

/** One hash over names and contents of everything the build reads. */
async function contentHash(root: string): Promise<string> {
  const files = (await Promise.all(inputs.map((input) => filesBelow(root, input)))).flat().sort();
  const contents = await Promise.all(files.map((file) => readFile(join(root, file))));
  const hash = createHash("sha256");
  files.forEach((file, i) => {
    const content = contents[i] ?? "";
    hash.update(`${file.split(sep).join("/")}\0${content.length}\0`).update(content);
  });
  return hash.digest("hex").slice(0, 16);
}

async function filesBelow(root: string, input: string): Promise<string[]> {
  const info = await stat(join(root, input)).catch(() => undefined);
  if (info === undefined) return [];
  if (!info.isDirectory()) return [input];
  const entries = await readdir(join(root, input), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !isOutside(entry.parentPath))
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(root.length)
        .replace(/^[\\/]/, ""),
    )
    .filter((file) => !file.endsWith(".test.ts"));
}

/** Below `web/`, but not part of the page. */
const isOutside = (folder: string): boolean => /[\\/](?:e2e|node_modules)(?:[\\/]|$)/.test(folder);

async function runBuild(root: string, outDir: string, options: BuildPageOptions): Promise<void> {
  const script = fileURLToPath(new URL("page-build.ts", import.meta.url));
  const child = fork(script, {
    cwd: root,
    env: buildEnv(options.env, outDir),
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    ...(options.signal ? { signal: options.signal } : {}),
  });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-8_000);
  });
  child.on("message", (progress) => options.onProgress?.(progress as PageProgress));
  const { promise, resolve } = Promise.withResolvers<number | null>();
  let cause: Error | undefined;
  child.once("error", (error) => {
    cause = error;
    if (child.pid === undefined) resolve(null);
  });
  // Also after an error: until it has closed it may still write.
  child.once("close", resolve);
  const code = await promise;
  if (cause) throw buildFailed("The build could not run.", cause);
  if (code !== 0) throw buildFailed(said.replaceAll(root, "").trim() || `It exited with ${code}.`);
}

/** `vite build` must not reach for a proxy or for flags that were meant for the lab itself. */
function buildEnv(env: NodeJS.ProcessEnv, outDir: string): NodeJS.ProcessEnv {
  const foreign = /^(?:(?:https?|all|no)_proxy|node_options|vitest.*|test|node_env)$/i;
  const own = Object.entries(env).filter(([name]) => !foreign.test(name));
  return { ...Object.fromEntries(own), LAB_PAGE_DIR: outDir, NO_COLOR: "1" };
}

const buildFailed = (said: string, cause?: unknown): LabError =>
  new LabError("page-build-failed", `The page could not be built.\n${said}`, {
    cause,
    hint: "Correct the file it names and start the lab again; npm run check shows more.",
  });

/** Keeps the newest builds and removes what killed builds left. */
async function prune(pages: string, current: string): Promise<void> {
  const names = await readdir(pages);
  const dated = await Promise.all(
    names.map(async (name) => ({
      name,
      at: (await stat(join(pages, name)).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  const builds = dated
    .filter(({ name }) => /^[0-9a-f]{16}$/.test(name) && name !== current)
    .sort((a, b) => b.at - a.at)
    .slice(buildsKept - 1);
  const abandoned = dated.filter(
    ({ name, at }) => name.startsWith(".building-") && at < Date.now() - abandonedAfterMs,
  );
  await Promise.all(
    [...builds, ...abandoned].map(({ name }) =>
      rm(join(pages, name), { recursive: true, force: true }),
    ),
  );
}
