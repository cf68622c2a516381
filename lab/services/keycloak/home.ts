import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";

/** Large or unchanged, so they stay where they are. */
const linked = [
  ["lib", "lib"],
  ["lib", "app"],
  ["providers"],
  ["themes"],
  ["conf", "cache-ispn.xml"],
] as const;
/** Names the distribution, while it is not known whether what is compiled from it is whole, and once it is. */
const [unsure, sure] = ["compiling.txt", "compiled.txt"];

/**
 * A home of its own for a Keycloak, below the lab's folder: Keycloak compiles its settings into its
 * home, where two labs would overwrite each other's, and the user's installation may be read-only.
 * Made anew for another distribution, and after a start that did not succeed: see {@link homeIsCompiled}.
 * @param realms folder with the realms to be imported.
 * @returns its `kc.sh`.
 */
export async function openHome(
  home: string,
  distribution: { readonly path: string; readonly version: string },
  realms: string,
): Promise<string> {
  const script = join(home, "bin", "kc.sh");
  const name = `${distribution.version} ${distribution.path}\n`;
  if ((await readFile(join(home, sure), "utf8").catch(() => "")) === name) {
    await rename(join(home, sure), join(home, unsure));
    return script;
  }
  await rm(home, { recursive: true, force: true });
  for (const folder of ["bin", "conf", "data", "lib/quarkus"])
    await mkdir(join(home, folder), { recursive: true });
  const compiled = await readdir(join(distribution.path, "lib", "quarkus"));
  // It takes the place of this archive for its own, and looks through links to it.
  const copied = ["bin/kc.sh", "lib/quarkus-run.jar", ...compiled.map((n) => `lib/quarkus/${n}`)];
  for (const file of copied) {
    await copyFile(join(distribution.path, file), join(home, file));
    await chmod(join(home, file), file === "bin/kc.sh" ? 0o700 : 0o600);
  }
  for (const path of linked) await symlink(join(distribution.path, ...path), join(home, ...path));
  await symlink(realms, join(home, "data", "import"));
  await writeFile(join(home, unsure), name);
  return script;
}

/** Told after a start that succeeded: the next one need not compile. Nothing happens where no home is. */
export async function homeIsCompiled(home: string): Promise<void> {
  await rename(join(home, unsure), join(home, sure)).catch(() => {});
}
