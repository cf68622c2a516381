import { execFile } from "node:child_process";
import { access, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import type { EmbeddedRecipe, NotApplicable, Program, Provider } from "#lab/services/descriptor.ts";

/** A program that the user installed: named by hand, or the first of `names` on PATH. `hint` says how to install it. */
export function onPath(
  names: readonly string[],
  hint: string,
): { readonly named: EmbeddedRecipe["named"]; readonly provider: Provider } {
  return {
    named: async (given) => {
      const folder = (await stat(given).catch(() => undefined))?.isDirectory() ?? false;
      return describeProgram(folder ? join(given, names[0] ?? "") : given, "named");
    },
    provider: async (env) => {
      const folders = (env.PATH ?? "").split(delimiter).filter(Boolean);
      let miss: NotApplicable | undefined;
      for (const name of names)
        for (const folder of folders) {
          const file = join(folder, name);
          if (!(await isExecutable(file))) continue;
          const found = await describeProgram(file, "PATH");
          if ("path" in found) return found;
          miss ??= found;
        }
      return miss ?? { notApplicable: `${names.join(" or ")} is not on PATH`, hint };
    },
  };
}

/** Asks a program for its version; the first number with a dot in what it says. */
export async function describeProgram(
  path: string,
  from: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Program | NotApplicable> {
  try {
    const { stdout, stderr } = await promisify(execFile)(path, ["--version"], {
      // Large programs take seconds to load where the whole lab starts at once.
      timeout: 20_000,
      env: { ...process.env, ...env },
    });
    // Some write it to the error output.
    const version = /\d+\.\d+(?:\.\d+)*/.exec(`${stdout}\n${stderr}`)?.[0];
    if (!version) return { notApplicable: `${path} does not tell its version` };
    return { path, kind: "real", version: `${version} (${from})` };
  } catch (error) {
    return { notApplicable: `${path} does not run: ${firstLine(error)}` };
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function firstLine(error: unknown): string {
  const stderr = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
  const text = stderr || (error instanceof Error ? error.message : String(error));
  return text.split("\n")[0] ?? text;
}
