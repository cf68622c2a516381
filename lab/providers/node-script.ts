import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Command, Program, Provider } from "#lab/services/descriptor.ts";
import { repositoryDir } from "#lab/state/lab-dir.ts";
import { binVariable } from "./bin-variable.ts";

/** A script of this repository, run by the Node that runs the lab. `LAB_<ID>_BIN` names another script. */
export function nodeScript(id: string, script: string): Provider {
  return async (env) => {
    const path = env[binVariable(id)] || join(repositoryDir, script);
    try {
      await access(path);
    } catch {
      return { notApplicable: `${path} is not there` };
    }
    return { path, kind: "real", version: `Node ${process.versions.node}` } satisfies Program;
  };
}

/** Command that runs such a script at the top of the repository. */
export function nodeCommand(
  program: Program,
  options: {
    readonly env: Readonly<Record<string, string>>;
    /** Node's own options, before the script. */
    readonly nodeArgs?: readonly string[];
  },
): Command {
  return {
    file: process.execPath,
    args: [...(options.nodeArgs ?? []), program.path],
    cwd: repositoryDir,
    env: options.env,
  };
}
