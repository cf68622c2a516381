import { once } from "node:events";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { registry } from "../metrics.ts";
import { type RecordedSpans, recordSpans } from "../testing/spans.ts";
import { openValkey, type Valkey } from "./client.ts";
import { startValkey, type ValkeyProcess } from "./testing/valkey-process.ts";

let spans: RecordedSpans;
let server: ValkeyProcess;
let valkey: Valkey;
beforeAll(async () => {
  spans = recordSpans();
  server = await startValkey();
  // A machine may be busy for longer than the app waits, and Valkey not be away.
  valkey = openValkey(server.url, { patienceMs: 10_000 });
  await once(valkey.client, "ready");
});
afterAll(async () => {
  valkey.close();
  await Promise.all([server.kill(), spans.stop()]);
});
beforeEach(() => spans.reset());

test("a command is a CLIENT span below its request, with the names of the conventions", async () => {
  const parent = await spans.within(async (span) => {
    await valkey.client.set("products:list", "secret value", "PX", 1000);
    return span.spanContext();
  });
  const [span] = spans.named("SET");
  expect(span?.kind).toBe(SpanKind.CLIENT);
  expect(span?.parentSpanContext?.spanId).toBe(parent.spanId);
  expect(span?.attributes).toEqual({
    "db.system.name": "redis",
    "db.namespace": "0",
    "db.operation.name": "SET",
    "db.query.text": "SET products:list ? PX ?",
    "server.address": "127.0.0.1",
    "server.port": server.port,
  });
});

test("outside of requests there is no span, nor for what a connection does to be one", async () => {
  await valkey.client.get("a");
  await spans.within(async () => {
    const other = valkey.subscriber();
    await once(other, "ready");
    other.disconnect();
  });
  expect(spans.all().map(({ name }) => name)).toEqual(["request"]);
});

test("an error names its type, and neither span nor error holds what was sent", async () => {
  const secret = "a-value-nobody-may-see";
  const thrown: unknown[] = [];
  await spans.within(async () => {
    await valkey.client.set("text", "x");
    await valkey.client.incr("text").catch((error) => thrown.push(error));
    await valkey.client.call("nosuchcommand", secret).catch((error) => thrown.push(error));
  });
  const [span] = spans.named("INCR");
  expect(span?.status.code).toBe(SpanStatusCode.ERROR);
  expect(span?.attributes).toMatchObject({
    "error.type": "ERR",
    "db.response.status_code": "ERR",
  });
  expect(thrown).toHaveLength(2);
  const seen = JSON.stringify([
    spans.all().map(({ attributes, events, status }) => ({ attributes, events, status })),
    thrown.map((error) => [String(error), (error as Error).stack, { ...(error as object) }]),
  ]);
  expect(seen).not.toContain(secret);
});

test("the key of a session stays secret", async () => {
  await spans.within(() => valkey.client.get("session:3q2xV7wY9nq0zK4tR8sB1cD6eF5gH7jL"));
  expect(spans.named("GET")[0]?.attributes["db.query.text"]).toBe("GET session:?");
});

test("commands of a pipeline are spans each, and none twice", async () => {
  await spans.within(() => valkey.client.pipeline().set("p", "1").incr("p").exec());
  expect(
    spans
      .all()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(["INCR", "SET", "request"]);
});

test("a command that times out ends once, also when its reply comes after all", async () => {
  valkey.setPatience(250);
  server.freeze();
  await spans.within(() => valkey.client.get("a").catch(() => undefined));
  server.thaw();
  valkey.setPatience();
  if (valkey.client.status !== "ready") await once(valkey.client, "ready");
  await valkey.client.ping();
  expect(spans.named("GET").map(({ attributes }) => attributes["error.type"])).toEqual([
    "COMMAND_TIMEOUT",
  ]);
});

test("durations are told by system, command and error", async () => {
  await valkey.client.set("text", "x");
  await valkey.client.incr("text").catch(() => undefined);
  const text = await registry.metrics();
  expect(text).toMatch(
    /db_client_operation_duration_seconds_count\{[^}]*db_system_name="redis",db_operation_name="INCR",db_collection_name="",error_type="ERR"/,
  );
});

test("a reply that came while this process was busy is taken, however late", async () => {
  valkey.setPatience(250);
  onTestFinished(() => valkey.setPatience());
  const reply = valkey.client.ping();
  for (const until = performance.now() + 400; performance.now() < until; );
  await expect(reply).resolves.toBe("PONG");
});
