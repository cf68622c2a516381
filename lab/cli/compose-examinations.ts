import { LabError } from "#lab/errors.ts";
import { findComposeTool } from "#lab/runtimes/compose/compose-tool.ts";
import { openEngine } from "#lab/runtimes/compose/engine.ts";
import { engineAddress } from "#lab/runtimes/compose/engine-address.ts";
import { openProject } from "#lab/runtimes/compose/project.ts";
import { findLeftovers } from "#lab/runtimes/compose/sweep.ts";
import { readRunning } from "#lab/state/lock.ts";
import { readRuntime } from "#lab/state/runtime-choice.ts";
import type { Context } from "./context.ts";
import type { Finding } from "./examinations.ts";

/** The sum of the memory limits in compose.yaml, and some for the engine. */
const neededBytes = 5 * 1024 ** 3;

interface EngineFacts {
  readonly ServerVersion?: string;
  readonly MemTotal?: number;
}

/** What the compose runtime would find: engine, Compose, images, what was left behind. Only notes where it was never asked for. */
export async function containers({ dir, env }: Context): Promise<readonly Finding[]> {
  const chosen = (await readRuntime(dir)) === "compose";
  try {
    const address = await engineAddress(env);
    const engine = await openEngine(address);
    const facts = await engine.ask<EngineFacts>("GET", "/info");
    const tool = await findComposeTool(env);
    const project = openProject({ dir, env, engineUrl: address.url, tool });
    const memory = facts?.MemTotal ?? neededBytes;
    const findings: Finding[] = [
      {
        about: "containers",
        state: memory >= neededBytes ? "good" : "note",
        found: `engine ${facts?.ServerVersion ?? "of unknown version"} at ${address.url}, Compose ${tool.version}, ${(memory / 1024 ** 3).toFixed(1)} GiB`,
        ...(memory >= neededBytes
          ? {}
          : { hint: "The compose runtime may use 5 GiB: give the engine more memory." }),
      },
    ];
    const images = await project.images();
    const missing: string[] = [];
    for (const [id, image] of images)
      if ((await engine.ask("GET", `/images/${encodeURI(image)}/json`)) === undefined)
        missing.push(`${id} (${image.replace(/@.*$/, "")})`);
    findings.push(
      missing.length === 0
        ? { about: "images", state: "good", found: `all ${images.size} are here` }
        : {
            about: "images",
            state: "note",
            found: `not here yet: ${missing.join(", ")}`,
            hint: "The first start with --runtime compose pulls them.",
          },
    );
    const running = await readRunning(dir);
    const left = (await findLeftovers(dir, env)).containers.length;
    if (running === undefined && left > 0) {
      findings.push({
        about: "left running",
        state: "note",
        found: `${left} containers of a lab that was killed`,
        hint: "npm run lab -- down removes them; so does the next start.",
      });
    }
    return findings;
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    const { message: found, hint } = error;
    return [{ about: "containers", state: chosen ? "bad" : "note", found, hint }];
  }
}
