import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { join } from "node:path";
import * as compose from "docker-compose";
import * as v from "valibot";
import type { ServiceId } from "#lab/services/ids.ts";
import { type Env, repositoryDir } from "#lab/state/lab-dir.ts";
import { composeFile } from "./compose-file.ts";
import type { ComposeTool } from "./compose-tool.ts";
import { composeFailure } from "./failures.ts";
import { pullImage } from "./pull.ts";

/** The label by which Compose marks what belongs to a project. */
export const projectLabel = "com.docker.compose.project";

/** What the lab asks of Docker Compose. One project per state folder, so that two labs do not meet. */
export interface Project {
  readonly name: string;
  /** Image of every service, after the variables that override it. @throws LabError `compose-failed`. */
  readonly images: () => Promise<ReadonlyMap<string, string>>;
  /** Gets the image of a service; `report` hears the share done. @throws LabError `compose-failed`. */
  readonly pull: (
    id: ServiceId,
    options: {
      readonly report: (done: number) => void;
      readonly signal: AbortSignal | undefined;
    },
  ) => Promise<void>;
  /** Makes and starts containers, without those they depend on. @throws LabError. */
  readonly up: (ids: readonly ServiceId[], variables: Env) => Promise<void>;
  /** Names of the services that have a container, running or not. */
  readonly ps: () => Promise<readonly string[]>;
  /** Stops and removes its containers and network; with `volumes` its data too. */
  readonly down: (options?: { readonly volumes?: boolean }) => Promise<void>;
}

/** `lab-` and eight hex digits that stand for the state folder. */
export function projectName(dir: string): string {
  let path = dir;
  try {
    path = realpathSync(dir);
  } catch {
    // Not made yet: its name has to do.
  }
  return `lab-${createHash("sha256").update(path).digest("hex").slice(0, 8)}`;
}

export function openProject(options: {
  readonly dir: string;
  readonly env: Env;
  readonly engineUrl: string;
  readonly tool: ComposeTool;
}): Project {
  const { dir, engineUrl, tool } = options;
  const name = projectName(dir);
  const settings = (variables: Env = {}): compose.IDockerComposeOptions => ({
    cwd: join(repositoryDir, "compose"),
    config: [composeFile],
    executable: tool.executable,
    composeOptions: [["--project-name", name]],
    env: { ...composeEnv(options.env), DOCKER_HOST: engineUrl, LAB_DIR: dir, ...variables },
  });
  const carryOut = async (
    what: string,
    work: () => Promise<compose.IDockerComposeResult>,
  ): Promise<string> => {
    try {
      return (await work()).out;
    } catch (error) {
      throw composeFailure(what, error);
    }
  };
  return {
    name,
    images: async () => {
      const out = await carryOut("reading compose.yaml", () =>
        compose.config({ ...settings(), commandOptions: [["--format", "json"]] }),
      );
      const { services } = v.parse(configSchema, JSON.parse(out));
      return new Map(Object.entries(services).map(([id, { image }]) => [id, image]));
    },
    pull: (id, { report, signal }) => {
      const { env } = settings();
      return pullImage(id, tool, { ...env, COMPOSE_PROJECT_NAME: name }, report, signal);
    },
    up: async (ids, variables) => {
      await carryOut(`starting ${ids.join(", ")}`, () =>
        compose.upMany([...ids], {
          ...settings(variables),
          commandOptions: ["--no-deps", ["--pull", "never"]],
        }),
      );
    },
    ps: async () => {
      // The package's own reading of the list drops what matters.
      const out = await carryOut("listing containers", () =>
        compose.ps({ ...settings(), commandOptions: ["--all", ["--format", "json"]] }),
      );
      return out
        .split("\n")
        .filter((line) => line.startsWith("{"))
        .map((line) => v.parse(psSchema, JSON.parse(line)).Service);
    },
    down: async ({ volumes = false } = {}) => {
      await carryOut("stopping the containers", () =>
        compose.downAll({
          ...settings(),
          commandOptions: [
            "--remove-orphans",
            ["--timeout", "3"],
            ...(volumes ? ["--volumes"] : []),
          ],
        }),
      );
    },
  };
}

const configSchema = v.object({
  services: v.record(v.string(), v.object({ image: v.string() })),
});
const psSchema = v.object({ Service: v.string() });

/** Without settings that would make it another project, or another engine. */
const composeEnv = (env: Env): Record<string, string | undefined> =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([key]) =>
        !/^(COMPOSE_(FILE|PROJECT_NAME|PROFILES|ENV_FILES|PATH_SEPARATOR)|DOCKER_CONTEXT)$/.test(
          key,
        ),
    ),
  );
