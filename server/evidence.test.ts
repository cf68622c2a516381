import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { header } from "#scenarios/names.ts";
import { canary, canaryPattern } from "./testing/canaries.ts";
import { eventsOf, named, spansUntil } from "./testing/evidence.ts";
import { startPostgres, type TestPostgres } from "./testing/postgres.ts";
import { doorSecret, hex, startServer, type TestServer, ticketKey } from "./testing/server.ts";
import { startStore, type TestStore } from "./testing/store.ts";
import { envelopeItems, openTap, type Tap } from "./testing/tap.ts";

let postgres: TestPostgres;
let store: TestStore;
let tap: Tap;
let server: TestServer;
const started: TestServer[] = [];

async function start(): Promise<TestServer> {
  const one = await startServer({
    postgres,
    telemetryUrl: tap.url,
    entry: "server/testing/app-with-faults.ts",
  });
  started.push(one);
  return one;
}

beforeAll(async () => {
  [postgres, store] = await Promise.all([startPostgres(), startStore()]);
  tap = await openTap(store.url);
  server = await start();
}, 60_000);
afterAll(async () => {
  await Promise.all(started.map((one) => one.stop()));
  await tap?.close();
  await Promise.all([postgres?.stop(), store?.stop()]);
});

describe("a hundred requests at once", () => {
  test("never see each other's user, tags, breadcrumbs, log lines or trace", async () => {
    const visitors = 100;
    const runs = await Promise.all(
      Array.from({ length: visitors }, (_, who) =>
        server.run("run.crowd", { params: { who, of: visitors } }),
      ),
    );
    for (const [who, { traceId, runId }] of runs.entries()) {
      const name = `visitor-${who}`;
      const [event, ...more] = await eventsOf(store, traceId, 1);
      expect(more).toEqual([]);
      const { user, tags, breadcrumbs, exception } = (event?.payload ?? {}) as {
        readonly user?: unknown;
        readonly tags?: unknown;
        readonly exception?: unknown;
        readonly breadcrumbs?: readonly { readonly category?: string; readonly message?: string }[];
      };
      expect(user).toEqual({ id: name });
      expect(tags).toMatchObject({ visitor: name, "lab.run.id": runId });
      const visits = (breadcrumbs ?? []).filter(({ category }) => category === "visit");
      expect(visits.map(({ message }) => message)).toEqual([name]);
      expect(JSON.stringify(exception)).toContain(`report of ${name}"`);
      const logs = await store.until(
        () => store.logs(traceId),
        (lines) => lines.length > 0,
      );
      expect(logs.map(({ attributes }) => attributes.visitor)).toEqual([name]);
      const spans = await spansUntil(store, traceId, (found) => named(found, /^POST/).length === 1);
      expect(named(spans, /^SELECT/)).toHaveLength(2);
      expect(new Set(spans.map(({ attributes }) => attributes["lab.run.id"]))).toEqual(
        new Set([runId]),
      );
    }
  });
});

test("a call to another route of the app stays in the trace", async () => {
  const run = await server.run("run.leak");
  const spans = await spansUntil(store, run.traceId, (found) => named(found, /^POST/).length === 1);
  const [called] = named(spans, "GET /api/orders");
  const caller = spans.find(({ spanId }) => spanId === called?.parentSpanId);
  expect([called?.kind, caller?.kind, caller?.name]).toEqual([2, 3, "GET"]);
  expect(called?.attributes["lab.run.id"]).toBe(run.runId);
});

describe("secrets", () => {
  test("planted in headers, query, body, SQL and error text come out nowhere", async () => {
    const run = await server.run("run.leak", {
      headers: {
        authorization: `Bearer ${canary("in-bearer")}`,
        cookie: `lab_session_4700=${canary("in-cookie")}; other=${canary("in-other")}`,
        "x-api-key": canary("in-key"),
        "content-type": "application/json",
        baggage: `token=${canary("in-baggage")}`,
      },
    });
    const answers = [await run.response?.text()];
    const broken = await server.fetch(
      `/api/scenarios/run.leak?password=${canary("in-query")}&code=${canary("in-code")}`,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"password":"${canary("in-body")}",`,
      },
    );
    answers.push(await broken.text());
    const forged = await server.fetch("/api/scenarios/run.leak", {
      method: "POST",
      headers: { [header.ticket]: canary("in-ticket") },
    });
    answers.push(await forged.text());
    answers.push(await (await fetch(server.metricsUrl)).text());

    await eventsOf(store, run.traceId, 5);
    await spansUntil(store, run.traceId, (spans) => named(spans, /^POST/).length === 1);
    await store.until(
      () => store.logs(run.traceId),
      (lines) => lines.some(({ body }) => body === "request failed"),
    );
    const everything = [
      ...tap.requests.map(({ body }) => body.toString("latin1")),
      ...server.lines,
      ...answers,
    ].join("\n");
    expect([...new Set(everything.match(canaryPattern))]).toEqual([]);
    for (const secret of [doorSecret, ticketKey, "test-app", "test-fault"]) {
      expect(everything.includes(secret), `${secret} was found`).toBe(false);
    }
    // What hides them is there: the places were not simply left out.
    const [leak] = named(await store.spans(run.traceId), "leak");
    expect(leak?.attributes["url.full"]).toBe(
      "https://REDACTED:REDACTED@shop.example/cb?code=REDACTED&state=REDACTED",
    );
    expect(everything).toContain("signed in with token=REDACTED");
    expect(everything).toContain("select id from customers where email = ?");
    expect(everything).toContain("X-Amz-Signature=REDACTED");
    // postgres.js did put the values there.
    expect(everything).toMatch(/invalid input syntax for type integer: (?:\\+)?"\?/);
  });

  test("control characters in a message stay inside one line", async () => {
    for (const line of server.lines) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
  });
});

describe("a crash", () => {
  test.each([
    ["exception in a timer", "auto.node.onuncaughtexception"],
    ["unhandled rejection", "auto.node.onunhandledrejection"],
  ])("%s: exit 70, one fatal event, every open span, on one trace", async (how, mechanism) => {
    const dying = await start();
    const bystander = dying.run("run.wait", { params: { ms: 60_000 } });
    await dying.line(({ msg }) => msg === "waiting");
    const run = await dying.run("run.uncaught-crash", { params: { how, delayMs: 20 } });
    expect(run.response).toBeUndefined();
    const other = await bystander;
    expect(await dying.exited).toBe(70);

    const [event, ...more] = await eventsOf(store, run.traceId, 1);
    expect(more).toEqual([]);
    expect(event?.level).toBe("fatal");
    const spans = await store.spans(run.traceId);
    const [scenario] = named(spans, "scenario run.uncaught-crash");
    expect(event?.spanId).toBe(scenario?.spanId);
    expect(JSON.stringify(event?.payload)).toContain(`{"type":"${mechanism}","handled":false}`);
    expect(scenario).toMatchObject({
      status: "error",
      events: ["exception"],
      attributes: { "lab.crashed": true },
    });
    const ids = new Set(spans.map(({ spanId }) => spanId));
    expect(
      spans
        .filter(({ parentSpanId }) => !ids.has(parentSpanId ?? ""))
        .map(({ parentSpanId }) => parentSpanId),
    ).toEqual([run.spanId]);
    const others = await store.spans(other.traceId);
    expect(named(others, "scenario run.wait")[0]?.attributes["lab.crashed"]).toBe(true);
    expect(named(others, /^POST/)[0]?.status).toBe("error");
    const logs = await store.logs(run.traceId);
    expect(logs.find(({ body }) => body === "the server crashes")).toMatchObject({
      severity: "fatal",
      spanId: scenario?.spanId,
    });
  });

  test("ends although the receiver hangs", async () => {
    const away = await openTap();
    away.behave("hang");
    const dying = await startServer({ postgres, telemetryUrl: away.url });
    await dying.run("run.uncaught-crash", { params: { delayMs: 0 } });
    expect(await dying.exited).toBe(70);
    await away.close();
  });
});

describe("SIGTERM", () => {
  test("answers what is under way, sends it, and exits 0", async () => {
    const leaving = await start();
    const open = leaving.run("run.wait", { params: { ms: 400 } });
    await leaving.line(({ msg }) => msg === "waiting");
    leaving.kill("SIGTERM");
    await leaving.line(({ msg }) => msg === "draining");
    const run = await open;
    expect(run.response?.status).toBe(200);
    expect(await leaving.exited).toBe(0);
    const spans = await store.spans(run.traceId);
    expect(named(spans, "POST /api/scenarios/:id")).toHaveLength(1);
  });
});

describe("an outage of the receiver", () => {
  test("refused, answered 503 or hanging: the app answers as before, and nothing is lost", async () => {
    const away = await openTap(store.url);
    const shop = await startServer({ postgres, telemetryUrl: away.url });
    for (const kind of ["refused", "unavailable", "hang"] as const) {
      if (kind === "refused") await away.refuse();
      else away.behave(kind);
      const traceIds = await Promise.all(
        Array.from({ length: 40 }, async () => {
          const traceId = hex(16);
          const response = await shop.fetch("/api/customers", {
            headers: { traceparent: `00-${traceId}-${hex(8)}-01` },
          });
          expect(response.status).toBe(200);
          return traceId;
        }),
      );
      if (kind === "refused") await away.reopen();
      else away.behave("answer");
      for (const traceId of traceIds) {
        const spans = await spansUntil(
          store,
          traceId,
          (found) => named(found, "GET /api/customers").length === 1,
        );
        expect(named(spans, "SELECT customers")).toHaveLength(1);
      }
    }
    const metrics = await (await fetch(shop.metricsUrl)).text();
    const dropped = [...metrics.matchAll(/^lab_telemetry_dropped_total\{[^}]*\} (\S+)/gm)];
    expect(dropped.map(([, count]) => count)).toEqual(Array(9).fill("0"));
    await shop.stop();
    await away.close();
  });
});

test("a Sentry envelope is read item by item", () => {
  const items = envelopeItems(Buffer.from('{}\n{"type":"event"}\n{"level":"error"}\n'));
  expect(items).toEqual([{ type: "event", payload: { level: "error" } }]);
});
