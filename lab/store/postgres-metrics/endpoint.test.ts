import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { databaseUrl } from "#lab/services/postgres/database-url.ts";
import { postgres as postgresService } from "#lab/services/postgres.ts";
import { familyOf, type MetricReading, readMetrics } from "#lab/sources/metrics.ts";
import { openSupervisor, type Supervisor } from "#lab/supervisor/supervisor.ts";
import { testSecrets } from "#lab/supervisor/testing/fake-descriptors.ts";
import { rowOf } from "#lab/supervisor/testing/supervise.ts";
import type { HttpServer } from "../http/server.ts";
import { openPostgresMetrics } from "./endpoint.ts";

let dir: string;
let lab: Supervisor;
let endpoint: HttpServer;
const errors: unknown[] = [];
const as = (role: string, password: string) =>
  databaseUrl(role, password, rowOf(lab, "postgres").port ?? 0);
const scrape = () => readMetrics(`http://127.0.0.1:${endpoint.port}/metrics`);
const read = (reading: MetricReading, name: string, labels: Record<string, string> = {}) =>
  reading.samples.find(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  lab = openSupervisor({
    ...{ descriptors: [postgresService], dir, secrets: testSecrets, env: process.env },
    ...{ origin: "http://localhost:4700", version: "0" },
  });
  await lab.ready();
  endpoint = await openPostgresMetrics({
    port: 0,
    databaseUrl: as("otel_monitor", testSecrets.monitorPassword),
    onError: (error) => errors.push(error),
  });
}, 60_000);

afterAll(async () => {
  await endpoint?.close(0);
  await lab.shutdown();
  await rm(dir, { recursive: true, force: true });
  expect(errors).toEqual([]);
});

test("counters tell what was done between two scrapes, under names of the lab", async () => {
  const sql = postgres(as("lab_app", testSecrets.appPassword), { max: 1 });
  try {
    await sql`create table shop.counted as select generate_series(1, 10) as id`;
    const flush = () => sql`select pg_stat_force_next_flush()`;
    await flush();
    const before = await scrape();
    await sql`select count(*) from shop.counted`;
    await sql`select count(*) from shop.counted`;
    await sql`insert into shop.counted values (11)`;
    await flush();
    // Scrapes within 100 ms share one reading. What others inserted before may be told only now, too.
    await expect
      .poll(async () => read(await scrape(), "lab_pg_rows_inserted_total"))
      .toBeGreaterThan(read(before, "lab_pg_rows_inserted_total") ?? 0);
    const after = await scrape();
    const table = { table: "counted" };
    const delta = (name: string) =>
      (read(after, name, table) ?? 0) - (read(before, name, table) ?? 0);
    expect(delta("lab_pg_table_sequential_scans_total")).toBe(2);
    expect(delta("lab_pg_table_sequential_rows_read_total")).toBe(20);
    expect(read(after, "lab_pg_backends", { state: "idle" })).toBe(1);
    expect(familyOf(after, "lab_pg_deadlocks_total")?.type).toBe("counter");
    const names = after.families.map(({ name }) => name);
    const foreign = names.filter((name) => !name.startsWith("lab_pg_"));
    expect(foreign).toEqual(["process_start_time_seconds"]);
  } finally {
    await sql.end();
  }
});

test("who waits for a lock is seen at once", async () => {
  const sql = postgres(as("lab_app", testSecrets.appPassword), { max: 2 });
  try {
    await sql`create table shop.locked as select 1 as id`;
    const holding = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const holder = sql.begin(async (tx) => {
      await tx`lock table shop.locked`;
      holding.resolve();
      await release.promise;
    });
    await holding.promise;
    const waiter = sql`select * from shop.locked`.execute();
    await expect.poll(async () => read(await scrape(), "lab_pg_locks_waiting")).toBe(1);
    const seen = await scrape();
    expect(read(seen, "lab_pg_backends_waiting")).toBe(1);
    expect(read(seen, "lab_pg_longest_transaction_seconds")).toBeGreaterThan(0);
    release.resolve();
    await Promise.all([holder, waiter]);
  } finally {
    await sql.end();
  }
});

test("while PostgreSQL is away it says so, and goes on afterwards", async () => {
  expect(read(await scrape(), "lab_pg_up")).toBe(1);
  await lab.stop("postgres");
  await expect.poll(async () => read(await scrape(), "lab_pg_up")).toBe(0);
  await lab.start("postgres");
  await expect.poll(async () => read(await scrape(), "lab_pg_up")).toBe(1);
});
