import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { LabError } from "#lab/errors.ts";
import type { Env } from "#lab/state/lab-dir.ts";

/** Where a container engine listens on this machine. */
export type EngineAddress =
  | { readonly kind: "socket"; readonly path: string; readonly url: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly url: string };

const configSchema = v.object({ currentContext: v.optional(v.string()) });
const contextSchema = v.object({
  Endpoints: v.object({ docker: v.object({ Host: v.string() }) }),
});

/**
 * The engine that `docker` would talk to: `DOCKER_HOST`, else the chosen context, else the usual
 * sockets (https://docs.docker.com/engine/manage-resources/contexts/).
 * @throws LabError `engine-remote` for an engine that is not on this machine.
 */
export async function engineAddress(env: Env): Promise<EngineAddress> {
  return parseAddress(env.DOCKER_HOST || (await hostOfContext(env)) || usualSocket(env));
}

/** @throws LabError `engine-remote`. */
export function parseAddress(url: string): EngineAddress {
  if (url.startsWith("unix://")) return { kind: "socket", path: url.slice("unix://".length), url };
  const found = /^(?:tcp|http):\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::(\d+))?\/?$/.exec(url);
  if (found?.[1] !== undefined) {
    return {
      kind: "tcp",
      host: found[1].replace(/[[\]]/g, ""),
      port: Number(found[2] ?? 2375),
      url,
    };
  }
  throw new LabError("engine-remote", `The container engine is at ${url}, not on this machine.`, {
    hint: "The lab's services listen on loopback and mount files of this clone, so it needs a local engine: unset DOCKER_HOST, or docker context use default. Or leave the containers out: --runtime embedded",
  });
}

async function hostOfContext(env: Env): Promise<string | undefined> {
  const folder = env.DOCKER_CONFIG || join(env.HOME || homedir(), ".docker");
  const name =
    env.DOCKER_CONTEXT || (await read(join(folder, "config.json"), configSchema))?.currentContext;
  if (!name || name === "default") return undefined;
  const id = createHash("sha256").update(name).digest("hex");
  const context = await read(join(folder, "contexts", "meta", id, "meta.json"), contextSchema);
  return context?.Endpoints.docker.Host;
}

async function read<S extends v.GenericSchema>(
  file: string,
  schema: S,
): Promise<v.InferOutput<S> | undefined> {
  try {
    return v.parse(schema, JSON.parse(await readFile(file, "utf8")));
  } catch {
    return undefined;
  }
}

function usualSocket(env: Env): string {
  const system = "/var/run/docker.sock";
  const others = [
    ...(env.XDG_RUNTIME_DIR ? [join(env.XDG_RUNTIME_DIR, "docker.sock")] : []),
    join(env.HOME || homedir(), ".docker", "run", "docker.sock"),
  ];
  return `unix://${[system, ...others].find((path) => existsSync(path)) ?? system}`;
}
