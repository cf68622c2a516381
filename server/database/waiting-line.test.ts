import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { registry } from "../metrics.ts";
import { startPostgres, type TestPostgres } from "../testing/postgres.ts";
import { openPool, type Pool } from "./pool.ts";

let server: TestPostgres;
let pool: Pool;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server?.stop());
/** Only those who are to wait in vain are in a hurry. */
const open = (acquireTimeoutMs: number): Pool =>
  openPool(server.appUrl, { name: "short", max: 2, acquireTimeoutMs });
beforeEach(() => {
  pool = open(30_000);
});
afterEach(() => pool.end(500));

/** Transactions that hold `count` connections until they are let go. */
async function hold(count: number): Promise<{ readonly letGo: () => Promise<unknown> }> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const held = Array.from({ length: count }, () => Promise.withResolvers<void>());
  const transactions = held.map((begun) =>
    pool.sql.begin(async (tx) => {
      await tx`select 1`;
      begun.resolve();
      await released;
    }),
  );
  await Promise.all(held.map(({ promise }) => promise));
  return {
    letGo() {
      release();
      return Promise.all(transactions);
    },
  };
}

async function metric(name: string, sample = name): Promise<number> {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? [];
  return values
    .filter(({ labels, ...value }) => {
      const named = "metricName" in value ? value.metricName : name;
      return labels.db_client_connection_pool_name === "short" && named === sample;
    })
    .reduce((sum, { value }) => sum + value, 0);
}

test("a query that finds no free connection in time fails with pool_timeout, and is counted", async () => {
  await pool.end(500);
  pool = open(100);
  const before = await metric("db_client_connection_timeouts_total");
  const { letGo } = await hold(2);
  const refused = pool.sql`select 1`;
  await expect(refused).rejects.toMatchObject({ status: 503, code: "pool_timeout" });
  expect((await metric("db_client_connection_timeouts_total")) - before).toBe(1);
  await letGo();
  expect(await pool.sql`select 1 as one`).toEqual([{ one: 1 }]);
});

test("so does a transaction, and its body never runs", async () => {
  await pool.end(500);
  pool = open(100);
  const { letGo } = await hold(2);
  let ran = false;
  const refused = pool.sql.begin(() => {
    ran = true;
  });
  await expect(refused).rejects.toMatchObject({ code: "pool_timeout" });
  await letGo();
  expect(ran).toBe(false);
});

test("who waits gets a connection as soon as one is free, first come, first served", async () => {
  const held = await Promise.all([hold(1), hold(1)]);
  const order: string[] = [];
  const waiting = ["first", "second", "third"].map((word) =>
    pool.sql.begin(async (tx) => {
      order.push(word);
      await tx`select 1`;
    }),
  );
  await expect.poll(() => pool.counts().pending).toBe(3);
  expect(await metric("db_client_connection_pending_requests")).toBe(3);
  const histogram = "db_client_connection_wait_time_seconds";
  const waits = await metric(histogram, `${histogram}_count`);
  await held[0].letGo();
  await Promise.all(waiting);
  await held[1].letGo();
  expect(order).toEqual(["first", "second", "third"]);
  expect((await metric(histogram, `${histogram}_count`)) - waits).toBe(3);
});

test("a query that is cancelled while it waits leaves the line and is never sent", async () => {
  const { letGo } = await hold(2);
  const query = pool.sql`select 1`;
  const outcome = query.then(
    () => "answered",
    (error) => error.code,
  );
  await expect.poll(() => pool.counts().pending).toBe(1);
  query.cancel();
  expect(await outcome).toBe("57014");
  expect(pool.counts().pending).toBe(0);
  await letGo();
  expect(await Promise.all([pool.sql`select 1 as n`, pool.sql`select 2 as n`])).toHaveLength(2);
});

test("who waits when connections are lost is served by new ones", async () => {
  const holder = pool.sql.begin(async (tx) => {
    const [row] = await tx`select pg_backend_pid() as pid`;
    const waiting = Promise.all([
      pool.sql`select 'served' as word`,
      pool.sql`select 'served' as word`,
    ]);
    await server.admin`select pg_terminate_backend(${row?.pid}::integer, 5000)`;
    return waiting;
  });
  const other = pool.sql.begin(async (tx) => tx`select pg_sleep(0.05)`);
  await Promise.allSettled([holder, other]);
  expect(await pool.sql`select 'served' as word`).toEqual([{ word: "served" }]);
});

test("nothing is shown of a pool that has ended", async () => {
  await pool.sql`select 1`;
  expect(await metric("db_client_connection_count")).toBe(1);
  await pool.end(500);
  expect(await metric("db_client_connection_count")).toBe(0);
});
