import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Command, NotApplicable, Program } from "#lab/services/descriptor.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { labVersion } from "#lab/state/lab-version.ts";
import { fewArenas } from "./node-memory.ts";

/** A script for the Node that runs the lab. */
export async function nodeScript(path: string): Promise<Program | NotApplicable> {
  try {
    await access(path);
  } catch {
    return { notApplicable: `${path} is not there` };
  }
  return { path, kind: "real", version: `${labVersion()} (Node ${process.versions.node})` };
}

/** Command that runs such a script at the top of the repository. */
export function nodeCommand(
  program: Program,
  options: {
    /** The lab's state folder. */
    readonly dir: string;
    readonly env: Readonly<Record<string, string>>;
    /** Node's own options, before the script. */
    readonly nodeArgs?: readonly string[];
  },
): Command {
  return {
    file: process.execPath,
    args: [...(options.nodeArgs ?? []), program.path],
    cwd: repositoryDir,
    env: {
      ...fewArenas(process.env),
      // Loading the telemetry SDKs is most of a start; the second time they come compiled.
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE || join(options.dir, "compile-cache"),
      ...options.env,
    },
  };
}
