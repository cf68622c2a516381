import { spawn } from "node:child_process";
import { once } from "node:events";
import { text as readText } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { SentryBody } from "#lab/api/sentry.ts";
import type { StoreBody } from "#lab/api/store.ts";
import { openTestStore } from "./testing/open.ts";
import { envelope, newSpanId, newTraceId, span, text, tracesProtobuf } from "./testing/payload.ts";

test("errors, messages, logs and metrics of the real SDK are found by their trace, transactions are derived", async () => {
  const store = await openTestStore();
  const sender = spawn(
    process.execPath,
    [fileURLToPath(new URL("testdata/sentry-sender.mjs", import.meta.url)), store.url],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const [traceId] = await Promise.all([readText(sender.stdout), once(sender, "exit")]);
  const { items } = await store.get<SentryBody>(`/lab/sentry?trace=${traceId}`);
  const found = (kind: string) => items.filter((item) => item.kind === kind);
  // The SDK sends each envelope by itself: either may arrive first.
  const events = found("event").toSorted((a, b) => (a.title < b.title ? -1 : 1));
  expect(events).toMatchObject([
    { level: "error", title: "TypeError: outer", origin: "sdk", spanId: expect.any(String) },
    { level: "warning", title: "hello" },
  ]);
  expect(found("log")).toMatchObject([{ level: "warn", title: "a log line", traceId }]);
  expect(found("metric")).toMatchObject([{ title: "clicks", payload: { value: 1 } }]);
  expect(found("transaction")).toMatchObject([{ origin: "derived", title: "GET /fail", traceId }]);
});

const runId = "01jdr0000000000000000000ab";
const find = (store: Awaited<ReturnType<typeof openTestStore>>, query: string) =>
  store.get<SentryBody>(`/lab/sentry?${query}`).then(({ items }) => items);

test("items are found by the run of their trace, whichever of the two comes first", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const event = { message: "early", contexts: { trace: { trace_id: traceId } } };
  await store.post("/api/1/envelope/", envelope([{ type: "event", payload: event }]));
  expect(await find(store, `run=${runId}`)).toEqual([]);
  await store.post(
    "/v1/traces",
    tracesProtobuf([span({ traceId, attributes: [text("lab.run.id", runId)] })]),
  );
  expect(await find(store, `run=${runId}`)).toMatchObject([{ title: "early", payload: event }]);
  expect(await find(store, `run=${runId}&kind=log`)).toEqual([]);
  expect(await find(store, "run=another")).toEqual([]);
});

test("a transaction is derived for each SERVER span and each browser root, and for nothing else", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const root = span({ traceId, name: "click", kind: 1 });
  const inner = span({ traceId, name: "fetch", kind: 3, parentSpanId: root.spanId });
  const server = span({
    traceId,
    name: "GET /orders",
    kind: 2,
    parentSpanId: inner.spanId,
    status: { code: 2 },
  });
  const database = span({ traceId, name: "SELECT", kind: 3, parentSpanId: server.spanId });
  const job = span({ traceId, name: "job", kind: 1 });
  await store.post("/v1/traces", tracesProtobuf([inner, root], "lab-web"));
  await store.post("/v1/traces", tracesProtobuf([database, server, job], "lab-server"));
  expect(await find(store, `trace=${traceId}`)).toMatchObject([
    { kind: "transaction", origin: "derived", title: "click", level: null, spanId: root.spanId },
    {
      title: "GET /orders",
      level: "error",
      payload: {
        start_timestamp: 1795357945.758,
        contexts: { trace: { parent_span_id: inner.spanId, status: "internal_error" } },
      },
    },
  ]);
  expect(await find(store, "kind=transaction&limit=1")).toMatchObject([{ title: "GET /orders" }]);
});

test("each log of a batch is an item of its own, in order", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const spanId = newSpanId();
  const logs = ["one", "two"].map((body) => ({
    body,
    level: "info",
    trace_id: traceId,
    attributes: { "sentry.trace.parent_span_id": { value: spanId, type: "string" } },
  }));
  await store.post("/api/1/envelope/", envelope([{ type: "log", payload: { items: logs } }]));
  const items = await find(store, `trace=${traceId}`);
  expect(items).toMatchObject([
    { kind: "log", title: "one", spanId, payload: logs[0] },
    { kind: "log", title: "two", spanId, payload: logs[1] },
  ]);
  expect((items[1]?.seq ?? 0) - (items[0]?.seq ?? 0)).toBe(1);
});

test("sessions and client reports are kept without a trace; other kinds are counted", async () => {
  const store = await openTestStore();
  const report = {
    discarded_events: [{ reason: "ratelimit_backoff", category: "error", quantity: 3 }],
  };
  await store.post(
    "/api/4711/envelope",
    gzipSync(
      envelope([
        { type: "session", payload: { status: "crashed" } },
        { type: "client_report", payload: report },
        { type: "replay_event", payload: {} },
      ]),
    ),
    { "content-encoding": "gzip", "content-type": "text/plain;charset=UTF-8" },
  );
  expect(await find(store, "")).toMatchObject([
    { kind: "session", title: "crashed", traceId: null },
    { kind: "client_report", title: "3 discarded by the SDK", payload: report },
  ]);
  expect(await store.get<StoreBody>("/lab/stats")).toMatchObject({
    sentryItems: 2,
    dropped: { "Sentry item of a kind not kept": 1 },
  });
});

test.each([
  ["nothing", ""],
  ["no JSON", "hello\n"],
  ["a list for a header", "[]\n{}\n"],
  ["an item without a type", '{}\n{"length":2}\n{}\n'],
  ["a length past the end", '{}\n{"type":"event","length":9}\n{}'],
  ["a length that cuts the payload", '{}\n{"type":"event","length":2}\n{"a":1}\n'],
  ["a negative length", '{}\n{"type":"event","length":-1}\n{}\n'],
  ["a payload that is no JSON", '{}\n{"type":"event"}\nxyz\n'],
  [
    "a payload nested too deep",
    `{}\n{"type":"event"}\n{"a":${"[".repeat(500)}${"]".repeat(500)}}\n`,
  ],
])("an envelope with %s is refused, and nothing of it is kept or repeated", async (_, body) => {
  const store = await openTestStore();
  const answer = await store.post("/api/1/envelope/", body);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: { code: "malformed" } });
  expect(await store.get<StoreBody>("/lab/stats")).toMatchObject({ sentryItems: 0 });
});

test("a payload with newlines in it is read by its length", async () => {
  const store = await openTestStore();
  const payload = '{\n"message":\n"spread out"}';
  const body = `{}\n{"type":"event","length":${payload.length}}\n${payload}\n\n{"type":"session"}\n{}`;
  expect((await store.post("/api/1/envelope/", body)).status).toBe(200);
  expect(await find(store, "")).toMatchObject([
    { kind: "event", title: "spread out" },
    { kind: "session" },
  ]);
});

test("a project id may be anything that is one path segment", async () => {
  const store = await openTestStore();
  for (const path of ["/api/1/integration/otlp/v1/traces/", "/api/abc/integration/otlp/v1/traces"])
    expect((await store.post(path, tracesProtobuf([span()]))).status).toBe(200);
  expect((await store.post("/api/a/b/envelope/", envelope([]))).status).toBe(404);
});
