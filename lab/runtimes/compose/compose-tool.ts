import { execFile } from "node:child_process";
import { LabError } from "#lab/errors.ts";
import type { Env } from "#lab/state/lab-dir.ts";

/** How Compose is called on this machine, in the words of the docker-compose package. */
export interface ComposeTool {
  readonly executable: { readonly executablePath: string } | { readonly standalone: true };
  readonly version: string;
}

/** The same for a process of one's own. */
export const commandOf = ({
  executable,
}: ComposeTool): { readonly file: string; readonly args: readonly string[] } =>
  "standalone" in executable
    ? { file: "docker-compose", args: [] }
    : { file: executable.executablePath, args: ["compose"] };

/** The first that knows optional `env_file`s. */
const oldest = [2, 24] as const;

/**
 * `docker compose`, else a `docker-compose` of its own.
 * @throws LabError `no-docker-cli`, `no-compose-plugin`, `compose-old`.
 */
export async function findComposeTool(env: Env): Promise<ComposeTool> {
  const plugin = await versionOf("docker", ["compose", "version", "--short"], env);
  if (plugin.kind === "version")
    return fresh({ executable: { executablePath: "docker" }, version: plugin.text });
  const standalone = await versionOf("docker-compose", ["version", "--short"], env);
  if (standalone.kind === "version")
    return fresh({ executable: { standalone: true }, version: standalone.text });
  if (plugin.kind === "missing") {
    throw new LabError("no-docker-cli", "There is no docker command on this machine.", {
      hint: "Install Docker with Compose: https://docs.docker.com/get-started/get-docker/. Or leave the containers out: --runtime embedded",
    });
  }
  throw new LabError("no-compose-plugin", "docker is here, but docker compose is not.", {
    hint: "Install it: sudo apt install docker-compose-plugin (Docker's packages), sudo apt install docker-compose-v2 (Ubuntu), brew install docker-compose. Or leave the containers out: --runtime embedded",
  });
}

function fresh(tool: ComposeTool): ComposeTool {
  const [major = 0, minor = 0] = tool.version.split(".").map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return tool;
  throw new LabError("compose-old", `Docker Compose ${tool.version} is too old for the lab.`, {
    hint: `It needs ${oldest.join(".")} or newer: https://docs.docker.com/compose/install/`,
  });
}

type Answer =
  | { readonly kind: "version"; readonly text: string }
  | { readonly kind: "missing" | "refused" };

function versionOf(program: string, args: readonly string[], env: Env): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(program, args, { env: { ...env }, timeout: 10_000 }, (error, stdout) => {
      const text = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
      if (error === null && text !== undefined) resolve({ kind: "version", text });
      else resolve({ kind: error?.code === "ENOENT" ? "missing" : "refused" });
    });
  });
}
