import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { cancelOn } from "../database/cancel.ts";
import { openPool, type Pool } from "../database/pool.ts";
import { freePort } from "../testing/free-port.ts";
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

test("what is cancelled before it has a connection costs the pool none, whether one was open or not", async () => {
  const fresh = openPool(server.appUrl, { name: "fresh", max: 1, acquireTimeoutMs: 5000 });
  const cancelled = { code: "57014" };
  const late = new AbortController();
  const opening = cancelOn(late.signal, fresh.sql`select pg_sleep(30)`);
  // Sent, and its connection has not had the time to come about.
  await nextTurn();
  expect(fresh.counts()).toMatchObject({ used: 0, pending: 1 });
  late.abort();
  await expect(opening).rejects.toMatchObject(cancelled);
  expect(await fresh.sql`select 1 as one`).toEqual([{ one: 1 }]);
  await expect(cancelOn(late.signal, fresh.sql`select 2`)).rejects.toMatchObject(cancelled);
  expect(await fresh.sql`select 3 as three`).toEqual([{ three: 3 }]);
  await fresh.end(500);
});

test("a cancel request that does not get through is nobody's error", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown) => uncaught.push(error);
  process.prependListener("unhandledRejection", note);
  onTestFinished(() => void process.off("unhandledRejection", note));
  const database = new URL(server.appUrl);
  const behind = Number(database.port);
  const road = createServer((near) => {
    const far = connect(behind, database.hostname);
    near.pipe(far).pipe(near);
    for (const end of [near, far]) end.on("error", () => {});
  });
  const port = await freePort();
  road.listen(port, "127.0.0.1");
  await once(road, "listening");
  database.port = String(port);
  const beyond = openPool(database.href, { name: "beyond", max: 1, acquireTimeoutMs: 5000 });
  await beyond.sql`select 1`;
  // Connections that are open stay open, and no other is let in.
  road.close();
  const late = new AbortController();
  const running = cancelOn(late.signal, beyond.sql`select pg_sleep(0.2), 'done' as word`);
  await nextTurn();
  late.abort();
  expect((await running)[0]?.word).toBe("done");
  await beyond.end(500);
  expect(uncaught).toEqual([]);
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
