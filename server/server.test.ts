import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { header } from "#scenarios/names.ts";
import { eventsOf, logsOf, named, spansUntil, traceOf } from "./testing/evidence.ts";
import { startPostgres, type TestPostgres } from "./testing/postgres.ts";
import { rawRequest } from "./testing/raw-request.ts";
import { doorSecret, hex, startServer, type TestServer } from "./testing/server.ts";
import { startStore, type TestStore } from "./testing/store.ts";

let postgres: TestPostgres;
let store: TestStore;
let server: TestServer;

beforeAll(async () => {
  [postgres, store] = await Promise.all([startPostgres(), startStore()]);
  server = await startServer({ postgres, telemetryUrl: store.url });
}, 60_000);
afterAll(async () => {
  await server?.stop();
  await Promise.all([postgres?.stop(), store?.stop()]);
});

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

test("its metrics are those that the dashboards were made with", async () => {
  const recording = await readFile(new URL("../lab/grafana/testdata/server.txt", import.meta.url));
  // What Prometheus adds to every scrape.
  const recorded = [...recording.toString().matchAll(/^((?!scrape_|up\{)\w+)\{/gm)].map(
    ([, name = ""]) => name,
  );
  const text = await (await fetch(server.metricsUrl)).text();
  const families = new Set([...text.matchAll(/^# TYPE (\w+) /gm)].map(([, name = ""]) => name));
  const familyOf = (name: string): string =>
    families.has(name) ? name : name.replace(/_(?:total|bucket|count|sum)$/, "");
  const samples = [...text.matchAll(/^(\w+)[{ ]/gm)].map(([, name = ""]) => familyOf(name));
  const hint = "Look after the panels of grafana/, then record anew: lab/grafana/record.ts";
  expect([...families], hint).toEqual(expect.arrayContaining(recorded.map(familyOf)));
  expect(new Set(recorded.map(familyOf)), hint).toEqual(
    new Set([...recorded.map(familyOf), ...samples]),
  );
});

test("a Sentry event that is raised while the store is away arrives when it is back, once", async () => {
  const traceIds: string[] = [];
  await store.restart(async () => {
    for (let n = 0; n < 3; n++) traceIds.push((await server.run("run.handled-error")).traceId);
  });
  for (const traceId of traceIds) expect(await eventsOf(store, traceId, 1)).toHaveLength(1);
  const metrics = await (await fetch(server.metricsUrl)).text();
  const lost = [...metrics.matchAll(/^lab_telemetry_dropped_total\{.*"sentry".*\} (\S+)/gm)];
  expect(lost.map(([, count]) => count)).toEqual(["0", "0", "0"]);
});

describe("a client that leaves", () => {
  /** Leaves when its query runs in the database, however long it took to get there. */
  async function leave(mode: "fault" | "fix") {
    const left = new AbortController();
    const params = { givesUp: "the client", deadlineMs: 1500, overrunMs: 500 };
    const run = server.run("run.timeout-abort", { mode, params, signal: left.signal });
    await expect
      .poll(
        async () =>
          (
            await postgres.admin`
              select 1 from pg_stat_activity where state = 'active' and query like '%as waited%'
                and pid <> pg_backend_pid()`
          ).length,
      )
      .toBe(1);
    left.abort();
    const { traceId } = await run;
    const spans = await spansUntil(
      store,
      traceId,
      (found) => named(found, "scenario run.timeout-abort").length === 1,
    );
    return { traceId, spans };
  }

  test("is no error: status 499, a cancelled query that is not red, no event, no error line", async () => {
    const { traceId, spans } = await leave("fix");
    const [query] = named(spans, "SELECT orders");
    expect(query).toMatchObject({ status: "unset" });
    expect(query?.attributes["db.response.status_code"]).toBe("57014");
    expect(query?.attributes).not.toHaveProperty("error.type");
    const [request] = named(spans, "POST /api/scenarios/:id");
    expect(request).toMatchObject({ status: "unset" });
    expect(request?.attributes["http.response.status_code"]).toBe(499);
    expect(named(spans, "scenario run.timeout-abort")).toMatchObject([{ status: "unset" }]);
    expect(await eventsOf(store, traceId, 0)).toEqual([]);
    expect((await store.logs(traceId)).map(({ severity }) => severity)).not.toContain("error");
    const metrics = await (await fetch(server.metricsUrl)).text();
    expect(metrics).toMatch(/http_response_status_code="499"/);
  });

  test("does not end work that nobody told", async () => {
    const { traceId, spans } = await leave("fault");
    const [query] = named(spans, "SELECT orders");
    expect(query?.attributes).not.toHaveProperty("db.response.status_code");
    expect(await logsOf(store, traceId, "report is ready")).toMatchObject([
      { attributes: { abandoned: true } },
    ]);
  });
});

describe("a request", () => {
  test("is one tree from the caller's span down to the database", async () => {
    const run = await server.run("db.n-plus-one", { params: { n: 20 } });
    expect(run.response?.status).toBe(200);
    const spans = await traceOf(store, run.traceId);
    const ids = new Set(spans.map(({ spanId }) => spanId));
    const outside = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId ?? ""));
    expect(outside.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual([
      ["POST /api/scenarios/:id", run.spanId],
    ]);
    expect(new Set(spans.map(({ attributes }) => attributes["lab.run.id"]))).toEqual(
      new Set([run.runId]),
    );
  });

  test("names the middleware it passed, so the loader hook came before Koa", async () => {
    const spans = await traceOf(
      store,
      (await server.run("db.n-plus-one", { params: { n: 10 } })).traceId,
    );
    expect(spans.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["middleware - answerErrors", "router - /api/scenarios/:id"]),
    );
    expect(named(spans, "POST /api/scenarios/:id")[0]?.attributes["http.route"]).toBe(
      "/api/scenarios/:id",
    );
  });

  test("tells its own span in the traceresponse header", async () => {
    const run = await server.run("db.n-plus-one", { params: { n: 10 } });
    const spans = await traceOf(store, run.traceId);
    expect(run.response?.headers.get(header.traceResponse)).toBe(
      `00-${run.traceId}-${named(spans, "POST /api/scenarios/:id")[0]?.spanId}-01`,
    );
  });

  test("continues the trace of a client that has only Sentry", async () => {
    const [traceId, spanId] = [hex(16), hex(8)];
    const response = await server.fetch("/api/products", {
      headers: { "sentry-trace": `${traceId}-${spanId}-1` },
    });
    expect(response.status).toBe(200);
    const spans = await traceOf(store, traceId);
    expect(named(spans, "GET /api/products")[0]?.parentSpanId).toBe(spanId);
  });

  test("prefers traceparent to sentry-trace", async () => {
    const [traceId, other] = [hex(16), hex(16)];
    await server.fetch("/api/products", {
      headers: {
        traceparent: `00-${traceId}-${hex(8)}-01`,
        "sentry-trace": `${other}-${hex(8)}-1`,
      },
    });
    await traceOf(store, traceId);
    expect(await store.spans(other)).toEqual([]);
  });
});

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
    await postgres.admin`truncate archive.orders_200000`;
    const params = { rows: 200_000, repeats: 1 };
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

describe("what is refused", () => {
  test("a request that did not come through the front door", async () => {
    const response = await fetch(`${server.url}/api/products`);
    expect(response.status).toBe(403);
  });

  test("methods outside the route table, TRACE among them", async () => {
    expect((await server.fetch("/api/products", { method: "DELETE" })).status).toBe(405);
    const answer = await rawRequest(
      Number(new URL(server.url).port),
      `TRACE /api/products HTTP/1.1\r\nHost: 127.0.0.1\r\n${header.doorSecret}: ${doorSecret}\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toMatch(/\r\nallow: HEAD, GET\r\n/i);
  });

  test.each([
    ["no ticket", { [header.ticket]: "" }, {}, 403, "ticket_malformed"],
    ["a changed one", { [header.ticket]: "e30.AAAA" }, {}, 403, "ticket_forged"],
    ["an expired one", {}, { expiresAt: 1 }, 403, "ticket_expired"],
    ["one of another scenario", {}, { scenario: "db.missing-index" }, 403, "ticket_mismatch"],
    ["limits exceeded", {}, { params: { n: 9999 } }, 400, "invalid_params"],
  ])("a run with %s", async (_, headers, ticket, status, code) => {
    const run = await server.run("db.n-plus-one", { headers, ticket });
    expect(run.response?.status).toBe(status);
    expect(await run.response?.json()).toMatchObject({ error: { code } });
  });

  test("a ticket that was used before", async () => {
    const runId = "replayed000000000000000000";
    const first = await server.run("db.n-plus-one", { ticket: { runId } });
    const second = await server.run("db.n-plus-one", { ticket: { runId } });
    expect([first.response?.status, second.response?.status]).toEqual([200, 409]);
  });

  test("a body beyond the limit, and one that is not JSON", async () => {
    const post = (body: string) =>
      server.fetch("/api/scenarios/db.n-plus-one", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
    expect((await post(`"${"x".repeat(20_000)}"`)).status).toBe(413);
    expect((await post('{"a":')).status).toBe(400);
  });
});

describe("/metrics", () => {
  test("is OpenMetrics with exemplars that name a trace, and route templates only", async () => {
    const run = await server.run("db.n-plus-one", { params: { n: 10 } });
    await Promise.all(Array.from({ length: 50 }, (_, n) => server.fetch(`/api/orders/${n + 1}`)));
    await Promise.all(Array.from({ length: 50 }, (_, n) => server.fetch(`/nowhere/${n}`)));
    const response = await fetch(server.metricsUrl);
    expect(response.headers.get("content-type")).toMatch(/^application\/openmetrics-text/);
    const text = await response.text();
    expect(text).toMatch(/# EOF\n?$/);
    expect(text).not.toContain("undefined");
    const samples = text.split("\n").filter((line) => line.startsWith("http_server_request_"));
    const routes = new Set(samples.map((line) => /http_route="([^"]*)"/.exec(line)?.[1]));
    for (const route of routes) {
      expect([
        "/healthz",
        "unmatched",
        "/api/me",
        "/api/products",
        "/api/orders/:id",
        "/api/scenarios/:id",
      ]).toContain(route);
    }
    expect(routes).toContain("/api/orders/:id");
    const exemplars = [...text.matchAll(/# \{([^}]*)\}/g)].map(([, labels = ""]) => labels);
    expect(exemplars.length).toBeGreaterThan(0);
    for (const labels of exemplars) {
      expect(labels).toMatch(/^trace_id="[0-9a-f]{32}",span_id="[0-9a-f]{16}"$/);
    }
    expect(text).toContain(run.traceId);
    for (const name of [
      "db_client_operation_duration_seconds_count",
      'db_client_connection_count{state="idle",db_client_connection_pool_name="lab-server"}',
      "db_client_connection_pending_requests",
      "nodejs_heap_size_used_bytes",
      "process_start_time_seconds",
    ]) {
      expect(text).toContain(name);
    }
  });

  test("answers loopback names only", async () => {
    const { port } = new URL(server.metricsUrl);
    for (const host of ["evil.example", `127.0.0.1.nip.io:${port}`, `localhost:1@evil.example`]) {
      const answer = await rawRequest(Number(port), `GET /metrics HTTP/1.1\r\nHost: ${host}\r\n`);
      expect(answer).toMatch(/^HTTP\/1.1 421 /);
    }
  });
});
