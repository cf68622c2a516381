import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import driver from "postgres";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { loadSecrets, type Secrets } from "#lab/state/secrets.ts";
import { openSupervisor, type Supervisor } from "#lab/supervisor/supervisor.ts";
import { inState, rowOf, rowWhen } from "#lab/supervisor/testing/supervise.ts";
import { databaseUrl } from "./postgres/database-url.ts";
import { postgres } from "./postgres.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

let dir: string;
let secrets: Secrets;
let lab: Supervisor;
const steps: string[] = [];

const open = () =>
  openSupervisor({
    descriptors: [postgres],
    dir,
    secrets,
    origin: "http://localhost:4700",
    env: process.env,
    version: "0",
  });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  secrets = await loadSecrets(dir);
  lab = open();
  lab.subscribe(({ progress }) => {
    if (progress) steps.push(`${progress.step} ${progress.done.toFixed(2)}`);
  });
  await lab.ready();
  console.log(`PostgreSQL ${rowOf(lab, "postgres").version}: cold start ${startMs()} ms`);
});

afterAll(async () => {
  await lab.shutdown();
  await rm(dir, { recursive: true, force: true });
});

const startMs = () => rowOf(lab, "postgres").startMs;

const roles = () =>
  ({
    lab_app: secrets.appPassword,
    lab_reports: secrets.appPassword,
    otel_monitor: secrets.monitorPassword,
    lab_fault: secrets.faultPassword,
    lab_admin: secrets.adminPassword,
  }) as const;
type Role = keyof ReturnType<typeof roles>;

function connect(role: Role, database = "lab") {
  const url = databaseUrl(role, roles()[role], rowOf(lab, "postgres").port as number);
  const sql = driver(url.replace(/lab$/, database), { max: 1, onnotice: () => {} });
  onTestFinished(() => sql.end({ timeout: 1 }));
  return sql;
}

test("the first start shows how far initdb is", () => {
  const shares = steps.map((step) => Number(step.split(" ").pop()));
  expect(steps[0]).toContain("creating the database cluster");
  expect(shares.at(-1)).toBeGreaterThan(0.8);
  expect(shares).toEqual([...shares].sort((a, b) => a - b));
});

test("the row tells what it really is", () => {
  expect(rowOf(lab, "postgres")).toMatchObject({
    kind: "real",
    version: expect.stringMatching(/^18\.\d+ \(npm\)$/),
    url: expect.stringMatching(/^postgres:\/\/127\.0\.0\.1:\d+$/),
  });
});

describe("roles", () => {
  test("lab_app owns schema shop and makes nothing anywhere else", async () => {
    const sql = connect("lab_app");
    await sql`create table if not exists note (text text)`;
    const [place] = await sql`select schemaname from pg_tables where tablename = 'note'`;
    expect(place).toEqual({ schemaname: "shop" });
    for (const refused of [
      "create table public.note (text text)",
      "create table monitoring.note (text text)",
      "create temporary table note2 (text text)",
      "create schema mine",
      "create database mine",
      "create role mine",
      "create extension pg_trgm",
      "alter system set work_mem = '64MB'",
      "alter role otel_monitor password 'x'",
      "copy shop.note to program 'cat'",
      "select * from monitoring.pg_stat_statements",
      "select pg_read_file('postgresql.conf')",
    ])
      await expect(sql.unsafe(refused), refused).rejects.toMatchObject({ code: "42501" });
    for (const database of ["postgres", "template1"])
      await expect(connect("lab_app", database)`select 1`).rejects.toMatchObject({ code: "42501" });
  });

  test("otel_monitor sees what all do, and neither reads the shop nor ends a session", async () => {
    const app = connect("lab_app");
    const [session] = await app`select pg_backend_pid() as pid, 'watch me' as text`;
    const sql = connect("otel_monitor");
    const [seen] = await sql`select query from pg_stat_activity where pid = ${session?.pid}`;
    expect(seen?.query).toContain("watch me");
    const statements =
      await sql`select 1 from pg_stat_statements where query like '%pg_backend_pid%'`;
    expect(statements.length).toBeGreaterThan(0);
    await sql`select count(*) from pg_locks`;
    for (const refused of [
      "select * from shop.note",
      "create table public.note (text text)",
      "create table monitoring.note (text text)",
      `select pg_terminate_backend(${session?.pid})`,
    ])
      await expect(sql.unsafe(refused), refused).rejects.toMatchObject({ code: "42501" });
  });

  test("lab_fault ends sessions of the app, limits those of its reports, and does nothing else", async () => {
    const app = connect("lab_app");
    const [session] = await app`select pg_backend_pid() as pid`;
    const admin = connect("lab_admin");
    const [superuser] = await admin`select pg_backend_pid() as pid`;
    const sql = connect("lab_fault");
    for (const refused of [
      "select * from shop.note",
      "create table public.note (text text)",
      "create temporary table note (text text)",
      "select * from monitoring.pg_stat_statements",
      `select pg_terminate_backend(${superuser?.pid})`,
      "alter role lab_app connection limit 1",
    ])
      await expect(sql.unsafe(refused), refused).rejects.toMatchObject({ code: "42501" });
    const [ended] = await sql`select pg_terminate_backend(${session?.pid}) as done`;
    expect(ended).toEqual({ done: true });
    await expect
      .poll(() => sql`select 1 from pg_stat_activity where pid = ${session?.pid}`)
      .toEqual([]);
    await sql`select operations.limit_reports(1)`;
    const reports = connect("lab_reports");
    await reports`select count(*) from shop.note`;
    const refused = { code: "53300" };
    await expect(connect("lab_reports")`select 1`).rejects.toMatchObject(refused);
    await expect(reports`select operations.limit_reports(9)`).rejects.toMatchObject({
      code: "42501",
    });
  });

  test("only the right password lets in", async () => {
    const port = rowOf(lab, "postgres").port as number;
    for (const role of Object.keys(roles())) {
      const sql = driver(databaseUrl(role, "wrong", port), { max: 1 });
      await expect(sql`select 1`).rejects.toMatchObject({ code: "28P01" });
      await sql.end();
    }
  });
});

test("auto_explain writes the plan of slow statements as JSON", async () => {
  await connect("lab_app")`select pg_sleep(0.3)`;
  await expect
    .poll(async () => (await lab.log("postgres", 200)).join("\n"))
    .toMatch(/duration: \d+\.\d+ ms {2}plan:[\s\S]*"Plan": \{/);
});

test("a deadlock is in the log with both of its processes, and how long they had waited", async () => {
  const [one, other] = [connect("lab_app"), connect("lab_app")];
  await one`create table if not exists pair as select n as id, 0 as value from generate_series(1, 2) n`;
  const both = Promise.withResolvers<void>();
  let arrived = 0;
  const cross = (sql: typeof one, first: number, second: number) =>
    sql.begin(async (tx) => {
      const [own] = await tx`select pg_backend_pid() as pid`;
      await tx`update pair set value = 1 where id = ${first}`;
      arrived += 1;
      if (arrived === 2) both.resolve();
      await both.promise;
      await tx`update pair set value = 1 where id = ${second}`;
      return own?.pid;
    });
  const ends = await Promise.allSettled([cross(one, 1, 2), cross(other, 2, 1)]);
  expect(ends.filter(({ status }) => status === "rejected")).toMatchObject([
    { reason: { code: "40P01" } },
  ]);
  await expect
    .poll(async () => (await lab.log("postgres", 200)).join("\n"))
    .toMatch(
      /detected deadlock while waiting for ShareLock[\s\S]*deadlock detected[\s\S]*Process \d+ waits for[\s\S]*Process \d+ waits for/,
    );
});

test("kill -9 is noticed, and the committed data is there again", async () => {
  const before = connect("lab_app");
  await before`insert into note values ('committed')`;
  const { pid, restarts } = rowOf(lab, "postgres");
  const killedAt = performance.now();
  process.kill(pid as number, "SIGKILL");
  const { note } = await rowWhen(lab, "postgres", inState("backing-off"));
  expect(note).toContain("was ended by SIGKILL");
  await rowWhen(lab, "postgres", (row) => row.state === "ready" && row.restarts > restarts);
  console.log(`PostgreSQL ready ${Math.round(performance.now() - killedAt)} ms after kill -9`);
  expect(await connect("lab_app")`select text from note where text = 'committed'`).toHaveLength(1);
});

test("a pid file whose pid belongs to another program by now is no obstacle", async () => {
  await lab.stop("postgres");
  const other = spawn("sleep", ["600"], { stdio: "ignore" });
  onTestFinished(() => void other.kill("SIGKILL"));
  const lines = [other.pid, join(dir, "postgres", "data"), 1, 1, "", "127.0.0.1", "", ""];
  await writeFile(join(dir, "postgres", "data", "postmaster.pid"), lines.join("\n"));
  await lab.start("postgres");
  expect(await connect("lab_app")`select 1 as one`).toEqual([{ one: 1 }]);
});

test("a warm start makes no cluster", async () => {
  steps.length = 0;
  await lab.restart("postgres");
  console.log(`PostgreSQL: warm start ${startMs()} ms`);
  expect(steps.join("\n")).not.toContain("creating the database cluster");
});

test("lost secrets are replaced in the cluster, the superuser's too, and the data stays", async () => {
  await connect("lab_app")`insert into note values ('kept')`;
  await lab.shutdown();
  await rm(join(dir, "secrets.json"));
  const old = secrets;
  secrets = await loadSecrets(dir);
  expect(secrets.adminPassword).not.toBe(old.adminPassword);
  lab = open();
  await lab.ready();
  for (const role of Object.keys(roles()) as Role[])
    expect(await connect(role)`select 1 as one`).toEqual([{ one: 1 }]);
  expect(await connect("lab_app")`select text from note where text = 'kept'`).toHaveLength(1);
  const port = rowOf(lab, "postgres").port as number;
  const stale = driver(databaseUrl("lab_admin", old.adminPassword, port), { max: 1 });
  await expect(stale`select 1`).rejects.toMatchObject({ code: "28P01" });
  await stale.end();
});

test("a superuser password changed behind the lab's back is set anew", async () => {
  await connect("lab_admin")`alter role lab_admin password 'something else'`;
  await expect(lab.restart("postgres")).rejects.toMatchObject({ code: "postgres-password" });
  await lab.restart("postgres");
  expect(await connect("lab_admin")`select 1 as one`).toEqual([{ one: 1 }]);
});

test("no password is in the log, in the statement statistics or on a command line", async () => {
  const log = await readFile(join(dir, "logs", "postgres.log"), "utf8");
  const statements = await connect("lab_admin")`select query from monitoring.pg_stat_statements`;
  const commandLines = execFileSync("ps", ["-eww", "-o", "args="], { encoding: "utf8" });
  expect(commandLines).toContain(join(dir, "postgres", "data"));
  const everything = [log, JSON.stringify(statements), commandLines].join("\n");
  for (const password of Object.values(roles())) expect(everything).not.toContain(password);
  expect(JSON.stringify(statements)).not.toContain("SCRAM-SHA-256");
  expect(log).not.toContain("SCRAM-SHA-256");
});
