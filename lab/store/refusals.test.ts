import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { OtlpKeyValue } from "#lab/api/otlp.ts";
import type { StoreBody } from "#lab/api/store.ts";
import { folderHeader, folderInHeader } from "./contract.ts";
import { emptyDir, openTestStore, rawRequest } from "./testing/open.ts";
import { span, traces, tracesProtobuf } from "./testing/payload.ts";

const json = { "content-type": "application/json" };

const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
/** An attribute of arrays in each other. */
function deep(depth: number): OtlpKeyValue {
  let value: OtlpKeyValue["value"] = { stringValue: "x" };
  for (let n = 0; n < depth; n++) value = { arrayValue: { values: [value] } };
  return { key: "k", value };
}

test.each([
  ["truncated protobuf", tracesProtobuf([span()]).subarray(0, 60), {}, 400],
  [
    "truncated gzip",
    gzipSync(tracesProtobuf([span()])).subarray(0, 40),
    { "content-encoding": "gzip" },
    400,
  ],
  ["gzip that is none", "hello", { "content-encoding": "gzip" }, 400],
  ["bad JSON", '{"resourceSpans":', json, 400],
  ["JSON of another shape", '{"resourceSpans":{"a":1}}', json, 400],
  ["JSON with a wrong id", JSON.stringify(traces([span({ traceId: "xyz" })])), json, 400],
  ["JSON nested too deep", nested(100_000), json, 400],
  ["protobuf nested too deep", tracesProtobuf([span({ attributes: [deep(70)] })]), {}, 400],
  ["another content type", "a=1", { "content-type": "text/plain" }, 415],
  ["another encoding", "a", { "content-encoding": "br" }, 415],
  ["a gzip bomb", gzipSync(Buffer.alloc(30 * 1024 * 1024)), { "content-encoding": "gzip" }, 413],
  ["a large plain body", Buffer.alloc(8 * 1024 * 1024 + 1), {}, 413],
  ["too many spans", tracesProtobuf(Array.from({ length: 10_001 }, () => span())), {}, 413],
])("%s is refused, and a sane request is served after it", async (_, body, headers, status) => {
  const store = await openTestStore();
  const answer = await store.post("/v1/traces", body, headers);
  expect(answer.status).toBe(status);
  const answered = Buffer.from(await answer.arrayBuffer());
  const type = answer.headers.get("content-type");
  if (type === "application/json")
    expect(JSON.parse(answered.toString())).toMatchObject({ code: 3, message: expect.any(String) });
  else expect(answered.subarray(0, 2)).toEqual(Buffer.from([0x08, 0x03]));
  expect((await store.post("/v1/traces", tracesProtobuf([span()]))).status).toBe(200);
});

test("a body sent in pieces without a length is cut off at the limit", async () => {
  const store = await openTestStore({ limits: { wireBytes: 100_000 } });
  const pieces = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(50_000)),
  });
  const answer = await fetch(`${store.url}/v1/traces`, {
    method: "POST",
    body: pieces,
    duplex: "half",
    headers: { "content-type": "application/x-protobuf" },
  } as RequestInit).catch(() => undefined);
  // A sender that never stops may lose the connection before it reads the answer.
  expect([413, undefined]).toContain(answer?.status);
  expect((await store.post("/v1/traces", tracesProtobuf([span()]))).status).toBe(200);
  expect(await store.get<StoreBody>("/lab/stats")).toMatchObject({
    dropped: { "refused: too_large": 1 },
  });
});

test("a body that dribbles in loses its connection at the deadline", async () => {
  const store = await openTestStore({ limits: { readDeadlineMs: 50 } });
  const socket = connect(store.port, "127.0.0.1");
  socket.write(
    `POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1:${store.port}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
  );
  const answer: Buffer[] = [];
  for await (const part of socket) answer.push(part);
  expect(Buffer.concat(answer).toString()).toMatch(/^HTTP\/1\.1 408 /);
});

test("too much at the same time is told to come back later", async () => {
  const store = await openTestStore({ limits: { inFlightBytes: 1000 } });
  const answer = await store.post("/v1/traces", Buffer.alloc(2000));
  expect(answer.status).toBe(429);
  expect(answer.headers.get("retry-after")).toBe("1");
});

test.each([
  ["GET", "/v1/traces", 405],
  ["PUT", "/v1/logs", 405],
  ["TRACE", "/v1/logs", 405],
  ["POST", "/lab/stats", 405],
  ["GET", "/nowhere", 404],
  ["GET", "/lab/traces/%00", 400],
  ["GET", "/lab/logs?limit=-1", 400],
  ["GET", "/lab/logs?severity=loud", 400],
  ["GET", "/lab/sentry?trace=__proto__", 400],
  ["GET", "/lab/runs/__proto__/traces", 200],
  ["GET", "//evil.example/lab/stats", 404],
])("%s %s answers %i", async (method, path, status) => {
  const store = await openTestStore();
  const host = `127.0.0.1:${store.port}`;
  expect(await rawRequest(store.port, path, { host }, method)).toBe(status);
});

test.each([
  "evil.com",
  "127.0.0.1.nip.io",
  "localhost:1@evil.com",
  "a b",
  "[::1",
  "%",
  ":99999",
  "0.0.0.0",
  "2130706433",
  "localhost",
  "",
])("the host name %j is refused on every route", async (host) => {
  const store = await openTestStore();
  for (const path of ["/v1/traces", "/ready", "/lab/stats", "/nowhere"])
    expect(await rawRequest(store.port, path, { host })).toBe(421);
});

test("who means the store of another folder is refused, as a lab that probes another's is", async () => {
  const dir = await emptyDir();
  const store = await openTestStore({ dir });
  const asking = (folder: string) =>
    rawRequest(store.port, "/ready", {
      host: `127.0.0.1:${store.port}`,
      [folderHeader]: folderInHeader(folder),
    });
  expect(await asking(`${dir}/other`)).toBe(421);
  expect(await asking(dir)).toBe(200);
});

test.each(["127.0.0.1", "localhost", "[::1]"])("the loopback name %s is served", async (name) => {
  const store = await openTestStore();
  expect(await rawRequest(store.port, "/ready", { host: `${name}:${store.port}` })).toBe(200);
});
