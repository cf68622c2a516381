import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { ContainerContext } from "#lab/services/container-recipe.ts";
import { type ContainerId, containerRecipes } from "#lab/services/containers.ts";
import type { LaunchContext, Program, Search, Workload } from "#lab/services/descriptor.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import { renderConfig } from "#lab/services/render-config.ts";
import { writeFileAtomic } from "#lab/state/atomic-file.ts";
import type { Env } from "#lab/state/lab-dir.ts";
import { CrashError } from "#lab/supervisor/failure.ts";
import { portVariable } from "#lab/supervisor/port-table.ts";
import { addressOf } from "./addresses.ts";
import { gather } from "./batch.ts";
import { findComposeTool } from "./compose-tool.ts";
import { watchContainer } from "./container.ts";
import { type Engine, openEngine } from "./engine.ts";
import { engineAddress } from "./engine-address.ts";
import { openEngineEvents } from "./engine-events.ts";
import { imageMissing } from "./failures.ts";
import { openProject, type Project, projectLabel } from "./project.ts";

/** The containers of one lab: an engine that answers, and a Compose project on it. */
export interface Stack {
  readonly engine: Engine;
  readonly project: Project;
  /** The image of a service, pulled if it is not here. @throws LabError `image-missing`. */
  readonly program: (id: ContainerId, search: Search) => Promise<Program>;
  /** Renders its configuration, and tells how to begin it. */
  readonly launch: (id: ContainerId, program: Program, context: LaunchContext) => Promise<Workload>;
  /** Removes the containers and the network; the data stays. */
  readonly close: () => Promise<void>;
}

const imageSchema = v.object({ RepoDigests: v.nullish(v.array(v.string())) });
const endSchema = v.object({ State: v.object({ FinishedAt: v.string() }) });
const listSchema = v.array(v.object({ Id: v.string() }));

/**
 * Finds engine and Compose, and clears away what an earlier lab of this state folder left running:
 * containers outlive a lab that is killed.
 * @throws LabError that says which of them is missing, and what to do.
 */
export async function openStack(options: {
  readonly dir: string;
  readonly env: Env;
  readonly say: (line: string) => void;
}): Promise<Stack> {
  const { dir, env, say } = options;
  const address = await engineAddress(env);
  const [engine, tool] = await Promise.all([openEngine(address), findComposeTool(env)]);
  const project = openProject({ dir, env, engineUrl: address.url, tool });
  const images = await project.images();
  const over = new AbortController();
  const containersOf = (id?: ServiceId) => findContainers(engine, project.name, id);
  if ((await containersOf()).length > 0) {
    say("Removing containers that an earlier lab left behind; their data stays.");
    await project.down();
  }
  const events = openEngineEvents(engine, project.name, over.signal);
  const variables = new Map<ServiceId, Readonly<Record<string, string>>>();
  /** What each container was made with. */
  const madeWith = new Map<ServiceId, string>();
  const up = gather((ids: readonly ServiceId[]) =>
    project.up(ids, Object.assign({}, ...variables.values())),
  );

  const imageOf = (id: ContainerId): string => {
    const image = images.get(id);
    if (image === undefined) throw new Error(`compose.yaml has no block for ${id}`);
    return image;
  };
  const inspectImage = async (image: string) => {
    const seen = await engine.ask<unknown>("GET", `/images/${encodeURI(image)}/json`);
    return seen === undefined ? undefined : v.parse(imageSchema, seen);
  };
  const begin = async (
    id: ContainerId,
  ): Promise<{ readonly container: string; readonly endedBefore?: string }> => {
    const asked = JSON.stringify(variables.get(id));
    const [there] = await containersOf(id);
    if (there !== undefined && madeWith.get(id) === asked) {
      const seen = await engine.ask<unknown>("GET", `/containers/${there}/json`);
      const endedBefore = v.parse(endSchema, seen).State.FinishedAt;
      await engine.ask("POST", `/containers/${there}/start`);
      return { container: there, endedBefore };
    }
    await up(id);
    madeWith.set(id, asked);
    const [made] = await containersOf(id);
    if (made === undefined) throw new Error(`Compose made no container for ${id}`);
    return { container: made };
  };

  return {
    engine,
    project,
    program: async (id, { report, signal }) => {
      const image = imageOf(id);
      const describe = (): Program => ({
        path: image,
        kind: "real",
        version: `${tagOf(image)} (image)`,
      });
      if ((await inspectImage(image)) !== undefined) return describe();
      report?.(`pulling ${image}`, 0);
      try {
        const pulled = (done: number) => report?.(`pulling ${image}`, done);
        await project.pull(id, { report: pulled, signal });
      } catch (error) {
        signal?.throwIfAborted();
        throw imageMissing(id, image, error);
      }
      return describe();
    },
    launch: async (id, program, context) => {
      const recipe = containerRecipes[id];
      const full: ContainerContext = {
        ...context,
        imageOf: (other) => images.get(other) ?? "",
        addressOf: (other, port) => addressOf(other, port, context.futurePortOf),
      };
      await prepare(id, full);
      variables.set(id, {
        ...Object.fromEntries(
          recipe.ports.map(({ name }, place) => [
            portVariable(id, place === 0 ? undefined : name),
            String(context.port(name)),
          ]),
        ),
        ...(await recipe.variables?.(full)),
      });
      return {
        begin: async () => {
          const digest =
            (await inspectImage(program.path))?.RepoDigests?.[0]?.split("@")[1] ?? null;
          const { container, endedBefore } = await begin(id).catch((error: unknown) => {
            throw portTaken(error) ?? error;
          });
          return watchContainer(
            container,
            { name: program.path, digest },
            engine,
            events,
            endedBefore,
          );
        },
      };
    },
    close: async () => {
      over.abort();
      await project.down();
    },
  };
}

/** Ids of a project's containers, running or not. */
export async function findContainers(
  engine: Engine,
  project: string,
  service?: ServiceId,
): Promise<readonly string[]> {
  const label = [
    `${projectLabel}=${project}`,
    ...(service === undefined ? [] : [`com.docker.compose.service=${service}`]),
  ];
  const filters = encodeURIComponent(JSON.stringify({ label }));
  const found = await engine.ask<unknown>("GET", `/containers/json?all=1&filters=${filters}`);
  return v.parse(listSchema, found ?? []).map(({ Id }) => Id);
}

/**
 * The folder of the service is closed to other users; what is in the mounted one is open, because
 * programs in containers run as users that the host does not know.
 */
async function prepare(id: ContainerId, context: ContainerContext): Promise<void> {
  const { serviceDir } = context;
  const recipe = containerRecipes[id];
  const folder = join(serviceDir, "config");
  await mkdir(folder, { recursive: true });
  await chmod(serviceDir, 0o700);
  await chmod(folder, 0o755);
  const values = (await recipe.values?.(context)) ?? {};
  const open = 0o644;
  for (const [name, template] of Object.entries(recipe.templates ?? {})) {
    await renderConfig(`${id}/${template}`, values, join(folder, name), open);
    await chmod(join(folder, name), open);
  }
  for (const [name, text] of Object.entries(recipe.files?.(context) ?? {})) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), open);
  }
  const secrets = Object.entries(recipe.secrets?.(context) ?? {});
  const lines = secrets.map(([name, value]) => `${name}=${value}\n`).join("");
  await writeFileAtomic(join(serviceDir, "secrets.env"), lines, 0o600);
}

/** A port that somebody took meanwhile is no mistake of the service: it gets another one. */
function portTaken(error: unknown): CrashError | undefined {
  const said = error instanceof Error ? error.message : String(error);
  if (!/port is already allocated|address already in use/i.test(said)) return undefined;
  const cause = error instanceof Error ? error : new Error(said);
  return new CrashError({ kind: "not-spawned", error: cause }, ["address already in use"]);
}

/** `quay.io/minio/minio:RELEASE.2025@sha256:14ce…` → `RELEASE.2025`. */
const tagOf = (image: string): string =>
  /:([^/@]+)(?:@|$)/.exec(image.replace(/@.*$/, ""))?.[1] ?? "latest";
