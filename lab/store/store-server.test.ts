import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { LoggerProvider, SimpleLogRecordProcessor } from "@opentelemetry/sdk-logs";
import { BasicTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { expect, test } from "vitest";
import type { LogsBody } from "#lab/api/logs.ts";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import type { SentryBody } from "#lab/api/sentry.ts";
import type { StoreBody } from "#lab/api/store.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { tracesRequest } from "./otlp-schema.ts";
import { openTestStore } from "./testing/open.ts";
import {
  envelope,
  logs,
  logsProtobuf,
  newSpanId,
  newTraceId,
  span,
  text,
  traces,
  tracesProtobuf,
} from "./testing/payload.ts";

const json = { "content-type": "application/json" };
const runId = "01jdr0000000000000000000ab";
const spansOf = (trace: OtlpTrace) =>
  trace.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));

test.each([
  ["protobuf", ProtobufExporter],
  ["JSON", JsonExporter],
])("spans of the real %s exporter can be read back to the nanosecond", async (_, Exporter) => {
  const store = await openTestStore();
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "lab-server" }),
    spanProcessors: [new SimpleSpanProcessor(new Exporter({ url: `${store.url}/v1/traces` }))],
  });
  const sent = provider.getTracer("test", "1.2.3").startSpan("GET /orders", {
    startTime: [1_795_357_945, 123_456_789],
    attributes: { "lab.run.id": runId, rows: 3, ratio: 0.5, cached: false, tags: ["a", "b"] },
  });
  sent.addEvent("exception", { "exception.type": "TypeError" }, [1_795_357_945, 123_456_790]);
  sent.setStatus({ code: 2, message: "broken" });
  sent.end([1_795_357_946, 1]);
  await provider.shutdown();

  const { traceId, spanId } = sent.spanContext();
  const trace = await store.get<OtlpTrace>(`/lab/traces/${traceId}`);
  expect(trace.resourceSpans[0]?.scopeSpans[0]?.scope).toMatchObject({
    name: "test",
    version: "1.2.3",
  });
  expect(spansOf(trace)).toMatchObject([
    {
      traceId,
      spanId,
      name: "GET /orders",
      startTimeUnixNano: "1795357945123456789",
      endTimeUnixNano: "1795357946000000001",
      status: { code: 2, message: "broken" },
      events: [{ name: "exception", timeUnixNano: "1795357945123456790" }],
      attributes: [
        text("lab.run.id", runId),
        { key: "rows", value: { intValue: "3" } },
        { key: "ratio", value: { doubleValue: 0.5 } },
        { key: "cached", value: { boolValue: false } },
        {
          key: "tags",
          value: { arrayValue: { values: [{ stringValue: "a" }, { stringValue: "b" }] } },
        },
      ],
    },
  ]);
  expect(await store.get(`/lab/runs/${runId}/traces`)).toEqual({ traceIds: [traceId] });
});

test("log records of the real exporter are found by trace, run, service, severity and text", async () => {
  const store = await openTestStore();
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": "lab-server" }),
    processors: [
      new SimpleLogRecordProcessor({
        exporter: new OTLPLogExporter({ url: `${store.url}/v1/logs` }),
      }),
    ],
  });
  const logger = provider.getLogger("test");
  logger.emit({ body: "all fine", severityNumber: SeverityNumber.INFO });
  logger.emit({
    body: "order 7 is LATE",
    severityNumber: SeverityNumber.WARN2,
    attributes: { "lab.run.id": runId, attempt: 2 },
  });
  await provider.forceFlush();
  await provider.shutdown();

  const find = (query: string) => store.get<LogsBody>(`/lab/logs?${query}`);
  expect((await find("")).logs.map(({ body }) => body).sort()).toEqual([
    "all fine",
    "order 7 is LATE",
  ]);
  for (const query of [
    "severity=warn",
    `run=${runId}`,
    "text=late",
    "service=lab-server&text=order",
  ])
    expect((await find(query)).logs).toMatchObject([
      {
        body: "order 7 is LATE",
        severity: "warn",
        service: "lab-server",
        attributes: { attempt: 2 },
      },
    ]);
  for (const query of ["severity=error", "run=nobody", "text=missing", "service=lab-web"])
    expect(await find(query)).toEqual({ logs: [] });
});

test("a trace in the making grows with each batch and counts a repeated span once", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const first = span({ traceId, name: "first" });
  const second = span({ traceId, name: "second", parentSpanId: first.spanId });
  await store.post("/v1/traces", tracesProtobuf([first]));
  await store.post("/v1/traces", tracesProtobuf([second, first, first]));
  const trace = await store.get<OtlpTrace>(`/lab/traces/${traceId}`);
  expect(spansOf(trace)).toMatchObject([{ name: "first" }, { name: "second" }]);
  expect(trace.resourceSpans).toHaveLength(1);
  expect(await store.get<StoreBody>("/lab/stats")).toMatchObject({ spans: 2, traces: 1 });
});

test("Tempo's routes answer with base64 ids, or protobuf when asked", async () => {
  const store = await openTestStore();
  const sent = span({ kind: 3, attributes: [text("k", "v")] });
  await store.post("/v1/traces", tracesProtobuf([sent]));
  const inTempo = {
    name: "work",
    kind: "SPAN_KIND_CLIENT",
    traceId: Buffer.from(sent.traceId, "hex").toString("base64"),
    spanId: Buffer.from(sent.spanId, "hex").toString("base64"),
    startTimeUnixNano: sent.startTimeUnixNano,
  };
  expect(await store.get(`/api/traces/${sent.traceId}`)).toMatchObject({
    batches: [{ scopeSpans: [{ spans: [inTempo] }] }],
  });
  expect(await store.get(`/api/v2/traces/${sent.traceId.toUpperCase()}`)).toMatchObject({
    trace: { resourceSpans: [{ scopeSpans: [{ spans: [inTempo] }] }] },
  });
  const answer = await fetch(`${store.url}/api/traces/${sent.traceId}`, {
    headers: { accept: "application/protobuf" },
  });
  expect(answer.headers.get("content-type")).toBe("application/protobuf");
  const decoded = decodeMessage(Buffer.from(await answer.arrayBuffer()), tracesRequest);
  expect(decoded).toMatchObject(traces([sent]) as object);
  expect((await fetch(`${store.url}/api/traces/abc`)).status).toBe(404);
  expect(await store.get("/api/v2/traces/abc")).toEqual({ trace: {}, metrics: {} });
  expect((await fetch(`${store.url}/api/traces/xyz`)).status).toBe(400);
});

test("Tempo's clients find out that it is there, and which version", async () => {
  const store = await openTestStore();
  const ask = (path: string): Promise<string> =>
    fetch(`${store.url}${path}`).then((answer) => answer.text());
  expect(await ask("/api/echo")).toBe("echo");
  expect(await ask("/ready")).toBe("ready\n");
  for (const path of ["/status/buildinfo", "/api/status/buildinfo"])
    expect(await store.get(path)).toMatchObject({ version: expect.stringMatching(/^\d+\./) });
});

test("an unknown trace is 404 with a code and a hint", async () => {
  const store = await openTestStore();
  const answer = await fetch(`${store.url}/lab/traces/${newTraceId()}`);
  expect(answer.status).toBe(404);
  expect(await answer.json()).toMatchObject({
    error: { code: "unknown_trace", message: expect.any(String), hint: expect.any(String) },
  });
});

test("spans with invalid ids are left out and told as partial success, in the request's encoding", async () => {
  const store = await openTestStore();
  const good = span();
  const batch = [
    good,
    span({ traceId: "0".repeat(32) }),
    span({ spanId: "abcd" }),
    span({ spanId: "" }),
  ];
  const inJson = await store.post("/v1/traces", JSON.stringify(traces(batch)), json);
  expect(inJson.status).toBe(200);
  expect(await inJson.json()).toMatchObject({ partialSuccess: { rejectedSpans: "3" } });
  const inProtobuf = await store.post("/v1/traces", tracesProtobuf(batch));
  expect(inProtobuf.headers.get("content-type")).toBe("application/x-protobuf");
  // Field 1, then its own field 1: three.
  expect([...Buffer.from(await inProtobuf.arrayBuffer())]).toEqual(
    expect.arrayContaining([0x0a, 0x08, 0x03]),
  );
  expect(await store.get<StoreBody>("/lab/stats")).toMatchObject({
    spans: 1,
    dropped: { "span with an invalid id": 6 },
  });
});

test("attribute keys that mean something to JavaScript are plain data", async () => {
  const store = await openTestStore();
  const keys = ["__proto__", "constructor", "toString"];
  const traceId = newTraceId();
  const attributes = keys.map((key) => text(key, `value of ${key}`));
  await store.post(
    "/v1/logs",
    JSON.stringify(logs([{ traceId, body: { stringValue: "x" }, attributes }])),
    json,
  );
  await store.post("/v1/traces", tracesProtobuf([span({ traceId, kind: 2, attributes })]));
  const wanted = Object.fromEntries(keys.map((key) => [key, `value of ${key}`]));
  const { logs: found } = await store.get<LogsBody>(`/lab/logs?trace=${traceId}`);
  expect(Object.entries(found[0]?.attributes ?? {})).toEqual(Object.entries(wanted));
  const { items } = await store.get<SentryBody>(`/lab/sentry?trace=${traceId}`);
  expect(JSON.stringify(items)).toContain('"__proto__":"value of __proto__"');
  expect(({} as Record<string, unknown>)["value of __proto__"]).toBeUndefined();
});

test("metrics are taken and refused like the rest", async () => {
  const store = await openTestStore();
  const metrics = {
    resourceMetrics: [
      { scopeMetrics: [{ metrics: [{ name: "m", sum: { dataPoints: [{ asInt: "1" }] } }] }] },
    ],
  };
  expect((await store.post("/v1/metrics", JSON.stringify(metrics), json)).status).toBe(200);
  expect((await store.post("/v1/metrics", Buffer.from([0x0a, 0x7f]))).status).toBe(400);
});

test("everything acknowledged is there again after a restart, with the same sequence numbers", async () => {
  const store = await openTestStore();
  const dir = store.store.index.log.dir;
  const traceId = newTraceId();
  await store.post(
    "/v1/traces",
    tracesProtobuf([span({ traceId, kind: 2, attributes: [text("lab.run.id", runId)] })]),
  );
  await store.post(
    "/v1/logs",
    logsProtobuf([{ traceId, spanId: newSpanId(), body: { stringValue: "a" } }]),
  );
  await store.post(
    "/api/1/envelope/",
    envelope([
      { type: "event", payload: { message: "m", contexts: { trace: { trace_id: traceId } } } },
    ]),
  );
  const paths = [
    `/lab/traces/${traceId}`,
    `/lab/runs/${runId}/traces`,
    `/lab/logs?run=${runId}`,
    `/lab/sentry?run=${runId}`,
    "/lab/stats",
  ];
  const before = await Promise.all(paths.map((path) => store.get(path)));
  await store.close();
  const again = await openTestStore({ dir });
  expect(await Promise.all(paths.map((path) => again.get(path)))).toEqual(before);
});
