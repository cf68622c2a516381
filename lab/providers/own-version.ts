import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { NotApplicable, Program } from "#lab/services/descriptor.ts";

/**
 * The same program with the version that `pattern`'s group finds in what it says: the first number may
 * be that of Go. `unknown` stands for one that does not know it, as those built from a module do not.
 */
export async function withOwnVersion(
  found: Program | NotApplicable,
  pattern: RegExp,
  unknown: (found: Program) => Promise<string>,
): Promise<Program | NotApplicable> {
  if (!("path" in found)) return found;
  const said = await promisify(execFile)(found.path, ["--version"], { timeout: 20_000 });
  const told = pattern.exec(`${said.stdout}\n${said.stderr}`)?.[1] ?? (await unknown(found));
  const from = / \((.+)\)$/.exec(found.version)?.[1] ?? "PATH";
  return { ...found, version: `${told} (${from})` };
}
