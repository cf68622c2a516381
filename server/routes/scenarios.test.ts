import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { header } from "#scenarios/names.ts";
import { startApp, type TestApp } from "../testing/app.ts";
import { eventsOf, logsOf, named, spansUntil, traceOf } from "../testing/evidence.ts";

let postgres: TestApp["postgres"];
let store: TestApp["store"];
let server: TestApp["server"];
let stop: TestApp["stop"] | undefined;
beforeAll(async () => {
  ({ postgres, store, server, stop } = await startApp());
}, 60_000);
afterAll(() => stop?.());

const mechanism = (payload: Readonly<Record<string, unknown>>) =>
  (
    payload.exception as {
      readonly values: readonly {
        readonly type: string;
        readonly value: string;
        readonly mechanism: { readonly type: string; readonly handled: boolean };
      }[];
    }
  ).values.at(-1);

describe("db.n-plus-one", () => {
  test("leaves one query for the list and exactly one per row", async () => {
    const run = await server.run("db.n-plus-one", { params: { n: 30 } });
    const spans = await traceOf(store, run.traceId);
    const parent = named(spans, "scenario db.n-plus-one")[0]?.spanId;
    const orders = named(spans, "SELECT orders");
    expect(named(spans, "SELECT customers")).toHaveLength(1);
    expect(orders).toHaveLength(30);
    expect(new Set(orders.map(({ parentSpanId }) => parentSpanId))).toEqual(new Set([parent]));
    expect(new Set(orders.map(({ attributes }) => attributes["db.query.text"])).size).toBe(1);
    expect(orders[0]?.attributes).toMatchObject({
      "db.system.name": "postgresql",
      "db.namespace": "lab|shop",
      "db.collection.name": "orders",
      "db.operation.name": "SELECT",
      "db.response.returned_rows": 1,
      "server.address": "127.0.0.1",
    });
    const [line] = await logsOf(store, run.traceId, "customers listed");
    expect(line).toMatchObject({ spanId: parent, attributes: { queries: 31 } });
  });

  test("asks once when it is fixed", async () => {
    const spans = await traceOf(
      store,
      (await server.run("db.n-plus-one", { mode: "fix" })).traceId,
    );
    expect(named(spans, "SELECT customers orders")).toHaveLength(1);
    expect(named(spans, "SELECT orders")).toHaveLength(0);
  });
});

describe("db.missing-index", () => {
  test("shows the plan that reads the whole table, and warns", async () => {
    const run = await server.run("db.missing-index", { params: { repeats: 2 } });
    const spans = await traceOf(store, run.traceId);
    const [leg] = named(spans, "search with an index");
    const searches = named(spans, "SELECT orders");
    const indexed = searches.filter(({ parentSpanId }) => parentSpanId === leg?.spanId);
    expect([searches.length - indexed.length, indexed.length]).toEqual([2, 40]);
    expect(named(spans, "query plan")[0]?.attributes).toMatchObject({
      "lab.pg.plan.node": "Seq Scan",
      "lab.pg.rows_removed": expect.toSatisfy((rows: number) => rows > 400_000),
    });
    expect(await logsOf(store, run.traceId, "slow query")).toHaveLength(1);
  });

  test("is cured by an index, which is gone afterwards", async () => {
    const run = await server.run("db.missing-index", { mode: "fix", params: { repeats: 2 } });
    const spans = await traceOf(store, run.traceId);
    expect(named(spans, "query plan")[0]?.attributes).toMatchObject({
      "lab.pg.plan.node": expect.stringMatching(/Index/),
      "lab.pg.rows_removed": 0,
    });
    expect(named(spans, "ROLLBACK")).toHaveLength(1);
    const left = await postgres.admin`
      select 1 from pg_indexes where indexname = 'orders_invoice_number'`;
    expect(left).toHaveLength(0);
  });

  test("in a table of another size, of which one is kept", async () => {
    for (const rows of [100_000, 200_000, 200_000]) {
      const run = await server.run("db.missing-index", { params: { rows, repeats: 1 } });
      expect(run.response?.status).toBe(200);
      const spans = await traceOf(store, run.traceId);
      const removed = named(spans, "query plan")[0]?.attributes["lab.pg.rows_removed"];
      expect(removed).toBeGreaterThan(0.9 * rows);
      const kept = await postgres.admin`
        select tablename from pg_tables where schemaname = 'archive'`;
      expect(kept).toEqual([{ tablename: `orders_${rows}` }]);
    }
  });

  test("fills that table anew when a crash of the database has emptied it", async () => {
    const params = { rows: 200_000, repeats: 1 };
    await server.run("db.missing-index", { mode: "control", params });
    await postgres.admin`truncate archive.orders_200000`;
    const run = await server.run("db.missing-index", { mode: "control", params });
    expect(run.response?.status).toBe(200);
    const [left] = await postgres.admin`select count(*)::integer as n from archive.orders_200000`;
    expect(left).toEqual({ n: 200_000 });
  });
});

describe("db.connection-reset", () => {
  test.each(["inside a transaction", "outside a transaction"])(
    "%s: the first attempt fails, the second works, Sentry hears of it once",
    async (where) => {
      const run = await server.run("db.connection-reset", { params: { where } });
      expect(run.response?.status).toBe(200);
      const spans = await traceOf(store, run.traceId);
      const attempts = named(spans, "read report");
      expect(attempts.map(({ attributes }) => attributes["lab.retry.attempt"])).toEqual([1, 2]);
      const selects = named(spans, "SELECT orders");
      expect(selects.map(({ status, attributes }) => [status, attributes["error.type"]])).toEqual(
        expect.arrayContaining([
          ["error", "CONNECTION_CLOSED"],
          ["unset", undefined],
        ]),
      );
      const events = await eventsOf(store, run.traceId, 1);
      expect(events).toHaveLength(1);
      expect(mechanism(events[0]?.payload ?? {})?.mechanism).toEqual({
        type: "generic",
        handled: true,
      });
      expect((await server.fetch("/healthz")).status).toBe(200);
    },
  );
});

describe("db.deadlock", () => {
  test("as a serialization failure: each victim is ended with 40001, and its retry wins", async () => {
    const run = await server.run("db.deadlock", { params: { sqlstate: "40001", delayMs: 20 } });
    expect(run.response?.status).toBe(200);
    const spans = await traceOf(store, run.traceId);
    const updates = named(spans, "UPDATE products").filter(({ status }) => status === "error");
    const codes = updates.map(({ attributes }) => attributes["db.response.status_code"]);
    expect(codes).toEqual(["40001", "40001"]);
    const again = named(spans, "move stock").filter(
      ({ attributes }) => attributes["lab.retry.attempt"] === 2,
    );
    expect(again.map(({ status }) => status)).toEqual(["unset", "unset"]);
  });

  test("without retries the request fails once for all its victims", async () => {
    const params = { sqlstate: "40001", delayMs: 20, retries: 0 };
    const run = await server.run("db.deadlock", { params });
    expect(run.response?.status).toBe(500);
    expect(await eventsOf(store, run.traceId, 1)).toHaveLength(1);
    const [line] = await logsOf(store, run.traceId, "conflict, giving up");
    expect(line?.attributes).toMatchObject({ sqlstate: "40001", "lab.retry.attempt": 1 });
  });
});

describe("db.pool-exhaustion", () => {
  test("in the database: new connections are refused with 53300, the rest of the app has room", async () => {
    const params = { limit: "the database", connections: 2, reports: 3, readers: 2 };
    const quick = { holdMs: 200, acquireTimeoutMs: 50 };
    const run = await server.run("db.pool-exhaustion", { params: { ...params, ...quick } });
    expect(run.response?.status).toBe(503);
    expect(await run.response?.json()).toMatchObject({ error: { code: "database_full" } });
    const spans = await traceOf(store, run.traceId);
    const refused = spans.filter(
      ({ attributes }) => attributes["db.response.status_code"] === "53300",
    );
    expect(refused.map(({ name }) => name).sort()).toEqual([
      "BEGIN",
      "SELECT products",
      "SELECT products",
    ]);
    expect(named(spans, "SELECT products").map(({ status }) => status)).toContain("unset");
    expect(await eventsOf(store, run.traceId, 1)).toHaveLength(1);
    const [role] = await postgres.admin`
      select rolconnlimit as most from pg_roles where rolname = 'lab_reports'`;
    expect(role).toEqual({ most: 5 });
  });
});

describe("run.handled-error", () => {
  test("is answered without anything from inside, and reported once on its trace", async () => {
    const run = await server.run("run.handled-error", { params: { causes: 2 } });
    expect(run.response?.status).toBe(500);
    // Koa's own error handling would have removed it.
    expect(run.response?.headers.get(header.traceResponse)).toContain(run.traceId);
    expect(await run.response?.json()).toEqual({
      error: {
        code: "internal_error",
        message: expect.any(String),
        hint: expect.any(String),
        traceId: run.traceId,
      },
    });
    const spans = await traceOf(store, run.traceId);
    const [request] = named(spans, "POST /api/scenarios/:id");
    expect(request).toMatchObject({
      status: "error",
      attributes: { "http.response.status_code": 500, "error.type": "Error" },
    });
    const [inner] = named(spans, "scenario run.handled-error");
    expect(inner).toMatchObject({ status: "error", events: ["exception"] });
    const events = await eventsOf(store, run.traceId, 1);
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ level: "error" });
    expect(spans.map(({ spanId }) => spanId)).toContain(events[0]?.spanId);
    expect(mechanism(events[0]?.payload ?? {})).toMatchObject({
      value: "order step 2 failed",
      mechanism: { type: "generic", handled: true },
    });
    expect(await logsOf(store, run.traceId, "request failed")).toHaveLength(1);
  });

  test.each(["TypeError", "AggregateError", "not an error"])("%s too", async (kind) => {
    const run = await server.run("run.handled-error", { params: { kind } });
    expect(run.response?.status).toBe(500);
    expect(await eventsOf(store, run.traceId, 1)).toHaveLength(1);
  });

  test("again and again makes an event each time: people repeat a fault to look at it", async () => {
    for (let round = 0; round < 3; round++) {
      const run = await server.run("run.handled-error");
      expect(await eventsOf(store, run.traceId, 1)).toHaveLength(1);
    }
  });

  test("a log line of the run is a Sentry log of the same span", async () => {
    const run = await server.run("run.handled-error");
    const [line] = await logsOf(store, run.traceId, "request failed");
    const items = await store.until(
      () => store.sentry(run.traceId),
      (found) => found.some(({ kind }) => kind === "log"),
    );
    expect(items.find(({ kind }) => kind === "log")?.spanId).toBe(line?.spanId);
  });
});

describe("run.memory-leak", () => {
  test("a process whose heap is full is replaced, and leaves its batches but no event", async () => {
    const run = await server.run("run.memory-leak");
    const answer = (await run.response?.json()) as
      | { readonly result: { readonly exitCodes: readonly number[] } }
      | undefined;
    const exitCodes = answer?.result.exitCodes ?? [];
    expect(exitCodes.length).toBeGreaterThan(0);
    expect(new Set(exitCodes)).toEqual(new Set([134]));
    const spans = await spansUntil(store, run.traceId, (found) =>
      found.some(({ kind }) => kind === 2),
    );
    const processes = named(spans, "export process");
    expect(processes.map(({ status }) => status)).toEqual([
      ...exitCodes.map(() => "error"),
      "unset",
    ]);
    const ids = new Set(processes.map(({ spanId }) => spanId));
    const batches = named(spans, "export batch");
    expect(batches.length).toBeGreaterThan(0);
    expect(batches.every(({ parentSpanId }) => ids.has(parentSpanId ?? ""))).toBe(true);
    expect(await eventsOf(store, run.traceId, 0)).toEqual([]);
  }, 60_000);

  test("one that lets go of what is done with lives on in the same heap", async () => {
    const run = await server.run("run.memory-leak", { mode: "fix" });
    expect(run.response?.status).toBe(200);
    const spans = await traceOf(store, run.traceId);
    expect(named(spans, "export process")).toHaveLength(1);
  }, 60_000);
});
