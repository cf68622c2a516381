import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { header } from "#scenarios/names.ts";
import { startApp, type TestApp } from "./testing/app.ts";
import { eventsOf, logsOf, named, spansUntil, traceOf } from "./testing/evidence.ts";
import { rawRequest } from "./testing/raw-request.ts";
import { doorSecret, hex } from "./testing/server.ts";

let postgres: TestApp["postgres"];
let store: TestApp["store"];
let server: TestApp["server"];
let stop: TestApp["stop"] | undefined;
beforeAll(async () => {
  ({ postgres, store, server, stop } = await startApp());
}, 60_000);
afterAll(() => stop?.());

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
