import { afterAll, beforeAll, expect, test } from "vitest";
import { cancelOn } from "../database/cancel.ts";
import { openPool, type Pool } from "../database/pool.ts";
import { startPostgres, type TestPostgres } from "../testing/postgres.ts";
import { withDeadline } from "./deadline.ts";

let server: TestPostgres;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres();
  pool = openPool(server.appUrl, { name: "test", max: 1, acquireTimeoutMs: 5000 });
}, 60_000);
afterAll(async () => {
  await pool?.end(500);
  await server?.stop();
});

test("work in time gives its answer", async () => {
  expect(await withDeadline(5000, () => Promise.resolve("ready"))).toBe("ready");
});

test("a deadline that is handed on cancels the query in the database, and frees its connection", async () => {
  let outcome: Promise<unknown> = Promise.resolve();
  const late = withDeadline(50, (signal) => {
    outcome = cancelOn(signal, pool.sql`select pg_sleep(30)`);
    return outcome;
  });
  await expect(late).rejects.toMatchObject({ status: 504, code: "deadline_exceeded" });
  await expect(outcome).rejects.toMatchObject({ code: "57014" });
  expect(await pool.sql`select 1 as one`).toEqual([{ one: 1 }]);
});

test("one that is not leaves the query running", async () => {
  let query: Promise<unknown> = Promise.resolve();
  const late = withDeadline(20, () => {
    query = pool.sql`select 'done' as word from pg_sleep(0.2)`.execute();
    return query;
  });
  await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
  expect(await query).toEqual([{ word: "done" }]);
});

test("what fails after the deadline ends nothing", async () => {
  const failed = Promise.withResolvers<never>();
  const late = withDeadline(10, () => failed.promise);
  await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
  failed.reject(new Error("too late to matter"));
});
