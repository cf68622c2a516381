import { execFile } from "node:child_process";
import { access, readFile, realpath, stat } from "node:fs/promises";
import { basename, delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Env } from "#lab/state/lab-dir.ts";
import type { NotApplicable, Program, Provider } from "../descriptor.ts";

/** How to get the program. */
export const keycloakInstall =
  "Unpack https://www.keycloak.org/downloads and name its folder in LAB_KEYCLOAK_BIN (it needs Java 17 or later), brew install keycloak, nix profile install nixpkgs#keycloak, or Docker: quay.io/keycloak/keycloak";
/** Everything else is below this folder: the program starts by the file of that name. */
const marker = join("lib", "quarkus-run.jar");

/** Folder of the distribution that a `kc.sh` belongs to. */
export const distributionOf = (program: Program): string => dirname(dirname(program.path));

/** A Keycloak named by hand: its folder, or its `bin/kc.sh`. */
export async function namedKeycloak(
  given: string,
  env: Env = process.env,
): Promise<Program | NotApplicable> {
  const folder = (await stat(given).catch(() => undefined))?.isDirectory() ?? false;
  return describe(folder ? join(given, "bin", "kc.sh") : given, "named", env);
}

/** `kc.sh` on PATH. */
export const keycloakOnPath: Provider = async (env) => {
  for (const folder of (env.PATH ?? "").split(delimiter).filter(Boolean)) {
    const file = join(folder, "kc.sh");
    if (await exists(file)) return describe(file, "PATH", env);
  }
  return { notApplicable: "kc.sh is not on PATH", hint: keycloakInstall };
};

/** Its version is read from a file, because asking the program starts a whole Java machine. */
async function describe(given: string, from: string, env: Env): Promise<Program | NotApplicable> {
  const path = await realpath(given).catch(() => undefined);
  if (path === undefined) return { notApplicable: `${given} is not there`, hint: keycloakInstall };
  const script = await scriptOf(path);
  if (script === undefined)
    return {
      notApplicable: `${given} does not belong to a Keycloak distribution`,
      hint: keycloakInstall,
    };
  const told = await readFile(join(dirname(dirname(script)), "version.txt"), "utf8").catch(
    () => "",
  );
  const version = /\d+\.\d+\.\d+/.exec(told)?.[0];
  if (version === undefined)
    return {
      notApplicable: `${given} does not tell its version in version.txt`,
      hint: keycloakInstall,
    };
  if (!(await runsJava(env)))
    return {
      notApplicable: "there is no Java that runs, which Keycloak needs",
      hint: keycloakInstall,
    };
  return { path: script, kind: "real", version: `${version} (${from})` };
}

/** Homebrew's `kc.sh` only calls the one of the distribution, which is beside it. */
async function scriptOf(path: string): Promise<string | undefined> {
  if (basename(path) !== "kc.sh") return undefined;
  const home = dirname(dirname(path));
  for (const folder of [home, join(home, "libexec")])
    if (await exists(join(folder, marker))) return join(folder, "bin", "kc.sh");
  return undefined;
}

/** Looks for it where `kc.sh` does. */
async function runsJava(env: Env): Promise<boolean> {
  const java = env.JAVA || (env.JAVA_HOME ? join(env.JAVA_HOME, "bin", "java") : "java");
  return promisify(execFile)(java, ["-version"], {
    timeout: 10_000,
    env: { PATH: env.PATH ?? "" },
  }).then(
    () => true,
    () => false,
  );
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
