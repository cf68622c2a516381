import { setTimeout as pause } from "node:timers/promises";
import postgres, { type Sql } from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { registry } from "../metrics.ts";
import { startPostgres, type TestPostgres } from "../testing/postgres.ts";
import { backendKiller } from "./backends.ts";
import { migrate } from "./migrate.ts";
import { openPool, type Pool } from "./pool.ts";
import { seed, seedSize } from "./seed.ts";

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server?.stop());

const open = (options: { readonly max: number }): Pool =>
  openPool(server.appUrl, { name: "test", acquireTimeoutMs: 30_000, ...options });

/** Errors that nobody caught since the last look; any ends the real app. */
const uncaught: unknown[] = [];
const note = (error: unknown) => uncaught.push(error);
beforeEach(() => {
  uncaught.length = 0;
  process.prependListener("uncaughtException", note);
  process.prependListener("unhandledRejection", note);
});
afterEach(() => {
  process.off("uncaughtException", note);
  process.off("unhandledRejection", note);
});

const faults = async (): Promise<number> =>
  (await registry.getSingleMetric("lab_driver_fault_total")?.get())?.values[0]?.value ?? 0;

/** Ends the backend that holds this session, and waits until it is gone. */
async function endBackendOf(sql: Pick<Sql, "unsafe">): Promise<void> {
  const [row] = await sql.unsafe("select pg_backend_pid() as pid");
  await server.admin`select pg_terminate_backend(${row?.pid}::integer, 5000)`;
}

describe.each([1, 2, 5])("a pool of %i whose backends are ended again and again", (max) => {
  let pool: Pool;
  beforeEach(() => {
    pool = open({ max });
  });
  afterEach(() => pool.end(500));

  const works = async () => {
    for (let n = 0; n < max + 1; n++) {
      expect(await pool.sql`select ${n}::integer as n`).toEqual([{ n }]);
    }
    const all = Array.from({ length: 3 * max }, () => pool.sql`select pg_sleep(0.001)`);
    expect(await Promise.all(all)).toHaveLength(3 * max);
  };

  test("inside a transaction, while a query runs", async () => {
    const before = await faults();
    for (let round = 0; round < 8; round++) {
      const lost = pool.sql.begin(async (tx) => {
        const [row] = await tx`select pg_backend_pid() as pid`;
        const running = tx`select pg_sleep(10)`;
        const ended = server.admin`select pg_terminate_backend(${row?.pid}::integer)`;
        await Promise.all([running, ended]);
      });
      await expect(lost).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
      await works();
    }
    expect(uncaught).toEqual([]);
    // The driver's own rollback was refused: without that, each would be an uncaught TypeError.
    expect((await faults()) - before).toBeGreaterThan(0);
  });

  test("inside a transaction, between two queries", async () => {
    for (let round = 0; round < 4; round++) {
      const lost = pool.sql.begin(async (tx) => {
        await endBackendOf(tx);
        await tx`select 1`;
        await tx`select 2`;
      });
      await expect(lost).rejects.toMatchObject({ code: "CONNECTION_CLOSED" });
      await works();
    }
    expect(uncaught).toEqual([]);
  });

  test("inside a transaction that goes on regardless, in a savepoint, with queries queued", async () => {
    for (let round = 0; round < 4; round++) {
      const outcomes: string[] = [];
      const lost = pool.sql.begin((tx) =>
        tx.savepoint(async (inner) => {
          await endBackendOf(inner).catch(() => {});
          for (let n = 0; n < 5; n++) {
            outcomes.push(
              await inner`select ${n}`.then(
                () => "answered",
                () => "refused",
              ),
            );
          }
          await Promise.all([inner`select 1`, inner`select 2`, tx`select 3`]);
        }),
      );
      await expect(lost).rejects.toMatchObject({ code: expect.stringMatching(/^CONNECTION_/) });
      expect(outcomes).not.toContain("answered");
      await works();
    }
    expect(uncaught).toEqual([]);
  });

  test("outside transactions, all at once", async () => {
    for (let round = 0; round < 4; round++) {
      const running = Array.from({ length: max }, () =>
        pool.sql`select pg_sleep(10)`.then(
          () => "answered",
          (error) => error.code,
        ),
      );
      await ended("pg_sleep(10)", max);
      expect(new Set(await Promise.all(running))).toEqual(new Set(["CONNECTION_CLOSED"]));
      await works();
    }
    expect(uncaught).toEqual([]);
  });

  test("while idle, and in the very turn a query is sent", async () => {
    for (let round = 0; round < 4; round++) {
      await works();
      const end = server.admin`
        select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'lab_app'`;
      const outcome = Promise.allSettled(
        Array.from({ length: 20 }, async (_, n) => {
          await pause(n % 5);
          return pool.sql`select ${n}::integer`;
        }),
      );
      await Promise.all([end, outcome]);
      await works();
    }
    expect(uncaught).toEqual([]);
  });

  test("leaves no connection behind", async () => {
    await pool.sql.begin((tx) => endBackendOf(tx)).catch(() => {});
    await works();
    await pool.end(500);
    const left = () => server.admin`select pid from pg_stat_activity where usename = 'lab_app'`;
    while ((await left()).length > 0) await pause(10);
    expect(uncaught).toEqual([]);
  });
});

/** Ends `count` backends that run a statement with `text` in it, as soon as they do. */
async function ended(text: string, count: number): Promise<void> {
  for (let gone = 0; gone < count; ) {
    // The time-out makes it wait until they are gone, so that none is counted twice.
    const rows = await server.admin`
      select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where usename = 'lab_app' and state = 'active' and position(${text} in query) > 0`;
    gone += rows.length;
  }
}

describe("the pool", () => {
  test("counts used, idle and waiting", async () => {
    const pool = open({ max: 2 });
    const { promise: counted, resolve: letGo } = Promise.withResolvers<void>();
    const slow = Array.from({ length: 5 }, () =>
      pool.sql.begin(async (tx) => {
        await tx`select 1`;
        await counted;
      }),
    );
    await expect.poll(pool.counts).toMatchObject({ used: 2, pending: 3 });
    letGo();
    await Promise.all(slow);
    expect(pool.counts()).toEqual({ used: 0, idle: 2, pending: 0 });
    await pool.sql.begin(async (tx) => {
      await tx`select 1`;
      expect(pool.counts()).toMatchObject({ used: 1, idle: 1 });
    });
    await pool.end(500);
  });

  test("lets other transactions finish when a connection is lost", async () => {
    const pool = open({ max: 3 });
    const { promise: lossIsOver, resolve } = Promise.withResolvers<void>();
    const bystander = pool.sql.begin(async (tx) => {
      await tx`select 1`;
      await lossIsOver;
      return tx`select 'kept' as word`;
    });
    await pool.sql.begin((tx) => endBackendOf(tx)).catch(() => {});
    await pause(1200);
    resolve();
    expect(await bystander).toEqual([{ word: "kept" }]);
    await pool.end(500);
  });

  test("takes values out of errors, and the parameters off them", async () => {
    const pool = open({ max: 1 });
    const error = await pool.sql`select ${"hunter2"}::text::integer`.catch((caught) => caught);
    expect(error).toMatchObject({ code: "22P02" });
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)}`).not.toContain("hunter2");
    await pool.end(500);
  });
});

describe("roles", () => {
  const refused = (url: string, statement: string) => {
    const sql = postgres(url, { max: 1, onnotice() {} });
    return sql
      .unsafe(statement)
      .then(
        () => "allowed",
        (error: { readonly code?: string }) => error.code,
      )
      .finally(() => sql.end());
  };
  test.each([
    ["the app makes no table outside its schema", "appUrl", "create table public.x (id int)"],
    ["the app makes no schema", "appUrl", "create schema other"],
    ["the app makes no role", "appUrl", "create role x"],
    [
      "the app ends no foreign backend",
      "appUrl",
      "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'lab_admin'",
    ],
    ["the fault role reads no table", "faultUrl", "select * from shop.orders"],
    ["the fault role makes no table", "faultUrl", "create table shop.x (id int)"],
    ["the monitor reads no table", "monitorUrl", "select * from shop.orders"],
  ] as const)("%s", async (_, url, statement) => {
    await server.admin`create table if not exists shop.orders (id integer)`;
    expect(await refused(server[url], statement)).toBe("42501");
    await server.admin`drop table shop.orders`;
  });

  test("the fault role ends the backend that runs a marked statement, and only that", async () => {
    const pool = open({ max: 2 });
    const killer = backendKiller({ appUrl: server.appUrl, faultUrl: server.faultUrl });
    const other = pool.sql`select pg_sleep(0.3), 'other' as word`.execute();
    const victim = pool.sql`select /* victim */ pg_sleep(10)`.then(
      () => "",
      ({ code }) => code,
    );
    expect(await killer.terminate("victim")).toBe(1);
    expect(await victim).toBe("CONNECTION_CLOSED");
    expect((await other)[0]?.word).toBe("other");
    await pool.end(500);
  });
});

describe("the seed", () => {
  test("fills the shop, heals when it was interrupted, and runs once", async () => {
    const pool = open({ max: 3 });
    await migrate(pool.sql);
    const steps: number[] = [];
    const stop = new Error("interrupted");
    const interrupted = seed(pool.sql, (_, done) => {
      steps.push(done);
      if (steps.length === 4) throw stop;
    });
    await expect(interrupted).rejects.toBe(stop);
    const count = async () => (await pool.sql`select count(*)::integer as n from orders`)[0]?.n;
    expect(await count()).toBeLessThan(seedSize.orders);

    await migrate(pool.sql);
    steps.length = 0;
    await seed(pool.sql, (_, done) => steps.push(done));
    expect(steps[0]).toBeGreaterThan(0);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(1);
    expect(await count()).toBe(seedSize.orders);
    const [facts] = await pool.sql`
      select count(distinct id)::integer as ids, count(distinct customer_id)::integer as customers,
        count(distinct invoice_number)::integer as invoices,
        md5(string_agg(total_cents::text, ',' order by id)) as digest
      from orders`;
    expect(facts).toEqual({
      ids: seedSize.orders,
      customers: seedSize.customers,
      invoices: seedSize.orders,
      digest: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    const [customers] = await pool.sql`
      select min(n)::integer as fewest from (select count(*) as n from orders group by customer_id) as c`;
    expect(customers?.fewest).toBeGreaterThan(0);

    steps.length = 0;
    await seed(pool.sql, (_, done) => steps.push(done));
    expect(steps).toEqual([]);
    await pool.end(500);
  }, 60_000);
});
