import { chmod, chown, cp, lstat, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { LabError } from "#lab/errors.ts";
import { makeElsewhere, readElsewhere, removeElsewhere } from "#lab/state/elsewhere.ts";
import type { Command, LaunchContext, Program } from "../descriptor.ts";

/**
 * PostgreSQL refuses to run as root. `self`: we are not root. `userns`: in a user namespace where
 * root's files belong to `nobody`. `user`: really as `nobody`.
 */
type RunAs = "self" | "userns" | "user";

/** Where the programs and the data are, and as whom they are used. */
export interface Lodging {
  /** Parent of the data folder. */
  readonly dir: string;
  readonly postgres: string;
  readonly initdb: string;
  readonly command: (file: string, args: readonly string[]) => Command;
  /** Whom its files must belong to; undefined when we cannot give files away. */
  readonly owner: Owner | undefined;
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const variable = "LAB_POSTGRES_AS";
/** Its words are read: by the progress of initdb, by checks, by whoever recognises a full disk. */
const surroundings = { cwd: "/", env: { LC_ALL: "C" } } as const;
const mapped = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"] as const;

/**
 * Finds out how PostgreSQL can run here, by trying; `LAB_POSTGRES_AS=self|userns|user` decides it by hand.
 * @throws LabError `postgres-as-root`, `bad-setting`.
 */
export async function lodge(program: Program, context: LaunchContext): Promise<Lodging> {
  const as = await chooseRunAs(context);
  switch (as) {
    case "self":
      return lodgeAtHome(program, context, (file, args) => ({ file, args, ...surroundings }));
    case "userns":
      return lodgeAtHome(
        program,
        context,
        (file, args) => ({ file, args, ...surroundings, through: mapped }),
        { uid: 0, gid: 0 },
      );
    case "user":
      return lodgeAsNobody(program, context);
  }
}

async function lodgeAtHome(
  program: Program,
  { serviceDir }: LaunchContext,
  command: Lodging["command"],
  owner?: Owner,
): Promise<Lodging> {
  const elsewhere = await readElsewhere(serviceDir);
  if (elsewhere) {
    await moveData(elsewhere, serviceDir, owner);
    await removeElsewhere(serviceDir);
  }
  return {
    dir: serviceDir,
    postgres: program.path,
    initdb: join(dirname(program.path), "initdb"),
    command,
    owner,
  };
}

/** Copies only what `nobody` cannot reach: a clone below `/root`, for example. */
async function lodgeAsNobody(program: Program, context: LaunchContext): Promise<Lodging> {
  const { serviceDir } = context;
  const owner = await nobody();
  const command: Lodging["command"] = (file, args) => ({
    file,
    args,
    ...surroundings,
    user: owner,
  });
  const reaches = async (file: string, ...args: string[]) =>
    (await context.run(command(file, args)).catch(() => undefined))?.code === 0;
  const elsewhere = async () =>
    (await readElsewhere(serviceDir)) ?? (await makeElsewhere(serviceDir, "lab-postgres-"));

  await chmod(serviceDir, 0o711);
  let dir = serviceDir;
  if (!(await reaches("/bin/sh", "-c", 'cd -- "$1"', "sh", serviceDir))) {
    dir = await elsewhere();
    await moveData(serviceDir, dir, owner);
  }
  let postgres = program.path;
  if (!(await reaches(postgres, "--version"))) {
    postgres = await copyPrograms(program, await elsewhere());
    if (!(await reaches(postgres, "--version")))
      throw new LabError(
        "postgres-as-root",
        "PostgreSQL refuses to run as root, and its programs cannot be run by another user.",
        {
          hint: "Run the lab as an ordinary user.",
        },
      );
  }
  return { dir, postgres, initdb: join(dirname(postgres), "initdb"), command, owner };
}

/** The folder with `bin`, `lib` and `share`; programs find the others beside themselves. */
async function copyPrograms(program: Program, elsewhere: string): Promise<string> {
  const target = join(elsewhere, `programs ${program.version}`.replace(/[^\w.]+/g, "-"));
  const path = join(target, "bin", basename(program.path));
  if (await lstat(target).catch(() => undefined)) return path;
  const unfinished = `${target}.new`;
  await rm(unfinished, { recursive: true, force: true });
  await cp(dirname(dirname(program.path)), unfinished, { recursive: true, verbatimSymlinks: true });
  await rename(unfinished, target);
  return path;
}

/** Takes the cluster along when its home changes. What is already there wins. */
async function moveData(from: string, to: string, owner?: Owner): Promise<void> {
  const [source, target] = [join(from, "data"), join(to, "data")];
  const exists = (path: string) => lstat(path).then(Boolean, () => false);
  if ((await exists(target)) || !(await exists(source))) return;
  await cp(source, `${target}.moved`, { recursive: true, preserveTimestamps: true });
  if (owner) await giveAll(`${target}.moved`, owner);
  await rename(`${target}.moved`, target);
  await rm(source, { recursive: true, force: true });
}

async function nobody(): Promise<Owner> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const [, , uid, gid] = /^nobody:.*$/m.exec(passwd)?.[0].split(":") ?? [];
  // macOS has -2 there.
  return Number(uid) > 0 ? { uid: Number(uid), gid: Number(gid) } : { uid: 65_534, gid: 65_534 };
}

/** Gives a file or a whole folder to the user that PostgreSQL runs as. */
export async function giveToOwner(lodging: Lodging, path: string): Promise<void> {
  const { owner } = lodging;
  if (owner && (await lstat(path)).uid !== owner.uid) await giveAll(path, owner);
}

async function giveAll(path: string, owner: Owner): Promise<void> {
  const seen = await lstat(path);
  if (seen.isDirectory())
    for (const name of await readdir(path)) await giveAll(join(path, name), owner);
  if (!seen.isSymbolicLink()) await chown(path, owner.uid, owner.gid);
}

async function chooseRunAs(context: LaunchContext): Promise<RunAs> {
  const asked = context.env[variable];
  switch (asked) {
    case "self":
    case "userns":
    case "user":
      return asked;
    case undefined:
    case "":
      break;
    default:
      throw new LabError("bad-setting", `${variable} is "${asked}".`, {
        hint: `Set ${variable} to self, userns or user, or leave it out.`,
      });
  }
  if (process.getuid?.() !== 0) return "self";
  // Forbidden in many containers, whatever the kernel could do.
  const probe = { file: "true", args: [], ...surroundings, through: mapped };
  const works = await context.run(probe).catch(() => undefined);
  return works?.code === 0 ? "userns" : "user";
}
