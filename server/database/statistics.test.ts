import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startPostgres, type TestPostgres } from "../testing/postgres.ts";
import { openPool } from "./pool.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server?.stop());

test("after a flush the database's counters hold what every connection of the pool did", async () => {
  const pool = openPool(server.appUrl, { name: "test", max: 3, acquireTimeoutMs: 5_000 });
  const monitor = postgres(server.monitorUrl, { max: 1 });
  const scans = async (): Promise<number> =>
    (
      await monitor`select coalesce(sum(seq_scan), 0)::integer as n from pg_stat_user_tables
      where relname = 'counted'`
    )[0]?.n;
  const scanOnEach = () =>
    Promise.all(
      [1, 2, 3].map(() => pool.sql`select pg_sleep(0.05), (select count(*) from counted)`),
    );
  try {
    await pool.sql`create table counted (id integer)`;
    await scanOnEach();
    await pool.flushStatistics();
    const before = await scans();
    await scanOnEach();
    await pool.flushStatistics();
    // The app waits for it no longer than 100 ms; by itself an idle connection tells after ten seconds.
    await expect.poll(scans, { timeout: 5_000 }).toBe(before + 3);
    expect(pool.counts()).toMatchObject({ idle: 3, used: 0 });
  } finally {
    await Promise.all([pool.end(500), monitor.end()]);
  }
});

test("a flush neither fails nor waits where no database answers", async () => {
  const pool = openPool("postgres://nobody:x@127.0.0.1:1/lab", {
    ...{ name: "test", max: 3, acquireTimeoutMs: 5_000 },
  });
  await pool.flushStatistics();
  await pool.end(0);
});
