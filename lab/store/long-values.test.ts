import { expect, test } from "vitest";
import type { LogsBody } from "#lab/api/logs.ts";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import type { StatsBody } from "./contract.ts";
import { findLogs } from "./log-read.ts";
import { longestValue } from "./long-values.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { metricsRequest } from "./otlp-schema.ts";
import { openStore } from "./store.ts";
import { openTestStore } from "./testing/open.ts";
import { logsProtobuf, newTraceId, span, text, traces, tracesProtobuf } from "./testing/payload.ts";

const long = "é".repeat(5000);
const cutText = /^é{2000,} ?… \[cut: 10000 bytes\]$/u;
const key = `attribute value cut at ${longestValue} bytes`;

test("long attribute values are cut wherever they stand, said in the answer and counted", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const one = span({
    traceId,
    attributes: [
      text("long", long),
      text("exact", "x".repeat(longestValue)),
      { key: "list", value: { arrayValue: { values: [{ stringValue: long }] } } },
      { key: "bytes", value: { bytesValue: Buffer.alloc(9000, 7).toString("base64") } },
      text("short", "short"),
    ],
    events: [
      { name: "exception", timeUnixNano: "1", attributes: [text("exception.stacktrace", long)] },
    ],
    links: [{ traceId: newTraceId(), spanId: "cc".repeat(8), attributes: [text("why", long)] }],
  });
  const body = traces([one]);
  const [group] = body.resourceSpans;
  const resource = { attributes: [...(group?.resource?.attributes ?? []), text("host", long)] };
  const answer = await fetch(`${store.url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ resourceSpans: [{ ...group, resource }] }),
  });
  const { partialSuccess } = (await answer.json()) as { partialSuccess: object };
  expect(partialSuccess).toMatchObject({
    rejectedSpans: "0",
    errorMessage: expect.stringContaining("6 attribute values were cut"),
  });
  const kept = await store.get<OtlpTrace>(`/lab/traces/${traceId}`);
  const [{ resource: keptResource, scopeSpans } = { scopeSpans: [] }] = kept.resourceSpans;
  const found = scopeSpans[0]?.spans[0];
  const value = (at: number) => found?.attributes?.[at]?.value;
  expect(value(0)?.stringValue).toMatch(cutText);
  expect(Buffer.byteLength(value(0)?.stringValue ?? "")).toBeLessThanOrEqual(longestValue);
  expect(value(1)?.stringValue).toBe("x".repeat(longestValue));
  expect(value(2)?.arrayValue?.values?.[0]?.stringValue).toMatch(cutText);
  expect(Buffer.from(value(3)?.bytesValue ?? "", "base64")).toEqual(Buffer.alloc(longestValue, 7));
  expect(value(4)?.stringValue).toBe("short");
  expect(found?.events?.[0]?.attributes?.[0]?.value?.stringValue).toMatch(cutText);
  expect(found?.links?.[0]?.attributes?.[0]?.value?.stringValue).toMatch(cutText);
  expect(keptResource?.attributes?.at(-1)?.value?.stringValue).toMatch(cutText);
  expect((await store.get<StatsBody>("/lab/stats")).noted).toMatchObject({ [key]: 6 });
});

test("a log's body stays whole, its attributes do not; nothing else is changed", async () => {
  const store = await openTestStore();
  const traceId = newTraceId();
  const record = (attributes: object[]): object => ({
    ...{ timeUnixNano: "5", traceId, body: { stringValue: long }, attributes },
  });
  await store.post("/v1/logs", logsProtobuf([record([]), record([text("q", long)])]));
  const { logs } = await store.get<LogsBody>(`/lab/logs?trace=${traceId}`);
  expect(logs.map(({ body }) => body)).toEqual([long, long]);
  expect(logs[1]?.attributes).toEqual({ q: expect.stringMatching(cutText) });
  const whole = tracesProtobuf([span({ attributes: [text("many", "y".repeat(300))] })]);
  await store.post("/v1/traces", whole);
  expect((await store.get<StatsBody>("/lab/stats")).noted).toMatchObject({ [key]: 1 });
});

test("labels of metrics are cut, too", async () => {
  const store = await openTestStore();
  const point = { asInt: "1", timeUnixNano: "1", attributes: [text("label", long)] };
  const metrics = [{ name: "m", gauge: { dataPoints: [point] } }];
  const body = encodeMessage(
    { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] },
    metricsRequest,
  );
  expect(decodeMessage(body, metricsRequest)).toBeDefined();
  await store.post("/v1/metrics", body);
  expect(await store.get("/lab/metrics?name=m")).toMatchObject({
    points: [{ labels: { label: expect.stringMatching(cutText) } }],
  });
});

test("log records a day off their arrival are marked and counted, also after a restart; one without a time is not", async () => {
  const store = await openTestStore();
  const now = BigInt(Date.now()) * 1_000_000n;
  const hour = 3600n * 1_000_000_000n;
  const at = (name: string, time: bigint) => ({
    body: { stringValue: name },
    timeUnixNano: String(time),
  });
  const none = { body: { stringValue: "none" } };
  await store.post(
    "/v1/logs",
    logsProtobuf([
      at("now", now),
      at("late", now - 25n * hour),
      at("early", now + 25n * hour),
      none,
    ]),
  );
  const { logs } = await store.get<LogsBody>("/lab/logs");
  expect(logs.filter(({ farOff }) => farOff).map(({ body }) => body)).toEqual(["late", "early"]);
  const offs = "log record more than a day off its arrival";
  expect(store.store.stats().noted).toMatchObject({ [offs]: 2 });
  store.store.checkpoint();
  const { dir } = store.store.index.log;
  const again = openStore({ dir });
  expect(again.stats().noted).toMatchObject({ [offs]: 2 });
  expect(findLogs(again.index, { limit: 9 }).map(({ farOff = false }) => farOff)).toEqual(
    logs.map(({ farOff = false }) => farOff),
  );
  again.close();
});

test("spans a day off their arrival are kept, marked and counted, also after a restart", async () => {
  const store = await openTestStore();
  const now = BigInt(Date.now()) * 1_000_000n;
  const hour = 3600n * 1_000_000_000n;
  const at = (start: bigint, end = start) =>
    span({ startTimeUnixNano: String(start), endTimeUnixNano: String(end) });
  await store.post(
    "/v1/traces",
    tracesProtobuf([
      at(now),
      at(now - 23n * hour),
      at(now - 25n * hour),
      at(now, now + 25n * hour),
      at(0n),
      at(2n ** 64n - 1n),
    ]),
  );
  const offs = "span more than a day off its arrival";
  expect(store.store.stats().noted).toMatchObject({ [offs]: 4 });
  const { dir } = store.store.index.log;
  // As after kill -9: by replay.
  const again = openStore({ dir });
  expect(again.stats().noted).toMatchObject({ [offs]: 4 });
  again.close();
});
