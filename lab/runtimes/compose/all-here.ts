import { constants, existsSync, readFileSync } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { LabError } from "#lab/errors.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { composeFile, imagesNamed } from "./compose-file.ts";
import { openEngine } from "./engine.ts";
import { engineAddress } from "./engine-address.ts";

/** What the compose runtime would find on this machine, without any of it being started or fetched. */
export type Holdings =
  | { readonly kind: "all" }
  /** An engine answers and Compose is there, but it would have to pull images. */
  | { readonly kind: "images-missing"; readonly missing: number; readonly of: number }
  | { readonly kind: "no-compose" }
  | { readonly kind: "no-engine" }
  /** One is there, and did not answer in time. */
  | { readonly kind: "engine-silent" };

/**
 * Looks for an engine, Compose and every image that compose.yaml names, and for nothing else: files
 * are looked at before anybody is asked.
 * @param limitMs longest that the engine may keep a start waiting.
 */
export async function lookForAll(env: Env, limitMs: number): Promise<Holdings> {
  try {
    const address = await engineAddress(env);
    if (address.kind === "socket" && !existsSync(address.path)) return { kind: "no-engine" };
    const limit = AbortSignal.timeout(limitMs);
    const engine = await openEngine(address, limit);
    // Its version is told once it is used: asking takes longer than all else here together.
    if (!(await hasCompose(env))) return { kind: "no-compose" };
    // Two services may be of one image.
    const images = [...new Set(imagesNamed(readFileSync(composeFile, "utf8"), env).values())];
    const here = await Promise.all(
      images.map((image) => engine.ask("GET", `/images/${encodeURI(image)}/json`, limit)),
    );
    const missing = here.filter((image) => image === undefined).length;
    return missing === 0 ? { kind: "all" } : { kind: "images-missing", missing, of: images.length };
  } catch (error) {
    if (isAbort(error) || (error instanceof LabError && error.code === "engine-silent"))
      return { kind: "engine-silent" };
    if (error instanceof LabError) return { kind: "no-engine" };
    throw error;
  }
}

const isAbort = (error: unknown): boolean =>
  error instanceof Error && /^(AbortError|TimeoutError)$/.test(error.name);

/** Where `docker` looks for its plugins besides its own folder (https://docs.docker.com/compose/install/linux/). */
const pluginFolders = [
  "/usr/local/lib/docker/cli-plugins",
  "/usr/local/libexec/docker/cli-plugins",
  "/usr/lib/docker/cli-plugins",
  "/usr/libexec/docker/cli-plugins",
  "/opt/homebrew/lib/docker/cli-plugins",
  "/Applications/Docker.app/Contents/Resources/cli-plugins",
];

async function hasCompose(env: Env): Promise<boolean> {
  const path = (env.PATH ?? "").split(delimiter).filter(Boolean);
  if (await anyProgram(path.map((folder) => join(folder, "docker-compose")))) return true;
  const own = join(env.DOCKER_CONFIG || join(env.HOME || homedir(), ".docker"), "cli-plugins");
  const plugins = [own, ...pluginFolders].map((folder) => join(folder, "docker-compose"));
  const docker = path.map((folder) => join(folder, "docker"));
  return (await Promise.all([docker, plugins].map(anyProgram))).every(Boolean);
}

const anyProgram = async (files: readonly string[]): Promise<boolean> =>
  (await Promise.all(files.map(isProgram))).includes(true);

/** Folders may be entered, which looks the same. */
const isProgram = async (file: string): Promise<boolean> => {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
};
