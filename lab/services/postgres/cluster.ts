import { createHash } from "node:crypto";
import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { LabError } from "#lab/errors.ts";
import { setAside, writeFileAtomic } from "#lab/state/atomic-file.ts";
import { storageError } from "#lab/state/storage-error.ts";
import { commandOf } from "#lab/supervisor/process-identity.ts";
import type { Command, LaunchContext, Program, RunResult } from "../descriptor.ts";
import { giveToOwner, type Lodging, lodge } from "./lodging.ts";

/** Settings of the server, over those of `postgresql.conf`. */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  password_encryption: "scram-sha-256",
  // Scenarios and checks read its messages.
  lc_messages: "C",
  // The data can be made again; what a killed process wrote is still in the kernel's cache.
  fsync: "off",
  // What does not fit is in the kernel's cache. Scans of big tables go through a ring of their own.
  shared_buffers: "16MB",
  // Nobody subscribes to anything.
  max_logical_replication_workers: "0",
  shared_preload_libraries: "pg_stat_statements,auto_explain",
  track_io_timing: "on",
  log_lock_waits: "on",
  deadlock_timeout: "200ms",
  "auto_explain.log_min_duration": "200ms",
  "auto_explain.log_format": "json",
  log_line_prefix: "%m [%p] %q%u@%d ",
  log_timezone: "UTC",
  timezone: "UTC",
};

/** What initdb says, in order: it has no other progress. */
const initdbSteps = [
  "creating directory",
  "creating subdirectories",
  "creating configuration files",
  "running bootstrap script",
  "performing post-bootstrap initialization",
] as const;

/**
 * Makes the database cluster when there is none, lets in the superuser of `secrets.json`, and tells
 * how to run the server.
 * @throws LabError `postgres-wrong-major`, `postgres-initdb`, `disk-full`, `state-unwritable`, `postgres-as-root`.
 */
export async function prepareCluster(program: Program, context: LaunchContext): Promise<Command> {
  const lodging = await lodge(program, context);
  const data = join(lodging.dir, "data");
  const major = await majorOf(data);
  if (major === undefined) await createCluster(lodging, data, context);
  else {
    refuseOtherMajor(program, major, data);
    await giveToOwner(lodging, data);
    await clearReusedPid(data);
  }
  await letAdminIn(lodging, data, context);
  return lodging.command(lodging.postgres, [
    ...["-D", data, "-p", String(context.port())],
    ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
  ]);
}

/** Major version of the server that made a data folder; undefined when there is none. */
async function majorOf(data: string): Promise<string | undefined> {
  try {
    return (await readFile(join(data, "PG_VERSION"), "utf8")).trim();
  } catch (error) {
    // Data that cannot be read is still data.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw storageError(error, data);
  }
}

function refuseOtherMajor(program: Program, major: string, data: string): void {
  const own = program.version.split(".")[0];
  if (own === major) return;
  throw new LabError(
    "postgres-wrong-major",
    `The lab's data was made by PostgreSQL ${major}, and the program here is ${program.version}.`,
    {
      hint: `Start with fresh data: npm run lab -- reset. Or name a PostgreSQL ${major}: LAB_POSTGRES_BIN=/path/to/postgres. (Data: ${data})`,
    },
  );
}

/**
 * After a kill -9, `postmaster.pid` names a dead process, and the server knows how to deal with
 * that. But when its pid belongs to another program by now, the server takes that for itself and
 * refuses to start. Then, and only then, the file goes.
 */
async function clearReusedPid(data: string): Promise<void> {
  const file = join(data, "postmaster.pid");
  const pid = Number.parseInt(await readFile(file, "utf8").catch(() => ""), 10);
  const command = pid > 0 ? commandOf(pid) : undefined;
  if (command !== undefined && !command.includes(data)) await rm(file, { force: true });
}

async function createCluster(
  lodging: Lodging,
  data: string,
  context: LaunchContext,
): Promise<void> {
  // Under another name until it is whole: an interrupted initdb leaves nothing that looks like data.
  const unfinished = `${data}.new`;
  const passwordFile = join(lodging.dir, "initdb.pw");
  context.report("creating the database cluster", 0);
  try {
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished, { recursive: true, mode: 0o700 });
    await writeFile(passwordFile, `${context.secrets.adminPassword}\n`, { mode: 0o600 });
    await giveToOwner(lodging, unfinished);
    await giveToOwner(lodging, passwordFile);
    let said = "";
    const result = await context.run(
      lodging.command(lodging.initdb, [
        ...["-D", unfinished, "-U", "lab_admin", `--pwfile=${passwordFile}`],
        ...["--auth=scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
      ]),
      {
        onOutput: (text) => {
          said += text;
          const step = initdbSteps.findLastIndex((phrase) => said.includes(phrase));
          context.report("creating the database cluster", (step + 1) / (initdbSteps.length + 1));
        },
      },
    );
    if (result.code !== 0) throw helperFailed("initdb", result, data);
    await rm(passwordFile, { force: true });
    if (await lstat(data).catch(() => undefined)) await setAside(data);
    await rename(unfinished, data);
    await rememberAdmin(context);
  } catch (error) {
    throw storageError(error, data);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

/**
 * When `secrets.json` was made anew, the cluster still has the old superuser password. Single-user
 * mode needs none, and no moment in which the server would let in anybody: it listens to nothing
 * but its standard input.
 */
async function letAdminIn(lodging: Lodging, data: string, context: LaunchContext): Promise<void> {
  const known = await readFile(markFile(context), "utf8").catch(() => "");
  if (known.trim() === adminMark(context)) return;
  context.report("setting the superuser's password anew", 0);
  const { scramVerifier } = await import("./scram.ts");
  const verifier = scramVerifier(context.secrets.adminPassword);
  const result = await context.run(
    lodging.command(lodging.postgres, ["--single", "-D", data, "postgres"]),
    { input: `ALTER ROLE lab_admin WITH LOGIN SUPERUSER PASSWORD '${verifier}';\n` },
  );
  if (result.code !== 0 || /ERROR|FATAL/.test(result.output))
    throw helperFailed("postgres --single", result, data);
  await rememberAdmin(context);
}

/** Tells whether the cluster has the superuser password of `secrets.json`, without being of use to guess it: 32 random bytes. */
function adminMark(context: LaunchContext): string {
  return createHash("sha256").update(`lab_admin ${context.secrets.adminPassword}`).digest("hex");
}

function markFile(context: LaunchContext): string {
  return join(context.serviceDir, "admin.sha256");
}

async function rememberAdmin(context: LaunchContext): Promise<void> {
  await writeFileAtomic(markFile(context), `${adminMark(context)}\n`, 0o600);
}

/** Makes the next start set the superuser's password anew. */
export async function forgetAdmin(context: LaunchContext): Promise<void> {
  await rm(markFile(context), { force: true });
}

function helperFailed(name: string, result: RunResult, data: string): Error {
  if (/No space left on device/.test(result.output))
    return Object.assign(new Error(`${name}: no space left on device`), { code: "ENOSPC" });
  const said = result.output.trim().split("\n").slice(-5).join("\n");
  return new LabError("postgres-initdb", `${name} failed (${result.code}): ${said}`, {
    hint: `If the data in ${dirname(data)} is broken: npm run lab -- reset.`,
  });
}
