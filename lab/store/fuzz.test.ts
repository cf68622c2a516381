import { Agent, request } from "node:http";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { LogsBody } from "#lab/api/logs.ts";
import type { SentryBody } from "#lab/api/sentry.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { metricsRequest } from "./otlp-schema.ts";
import { openTestStore } from "./testing/open.ts";
import {
  envelope,
  logs,
  logsProtobuf,
  newTraceId,
  span,
  text,
  traces,
  tracesProtobuf,
} from "./testing/payload.ts";

const bodies = 10_000;

/** Small, fast, and the same for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

interface Sample {
  readonly path: string;
  readonly type: string;
  readonly body: Buffer;
}

function samples(): readonly Sample[] {
  const traceId = newTraceId();
  const rich = span({
    traceId,
    kind: 2,
    attributes: [
      text("lab.run.id", "run"),
      { key: "deep", value: { kvlistValue: { values: [text("__proto__", "x")] } } },
      { key: "list", value: { arrayValue: { values: [{ intValue: "1" }, { doubleValue: 0.5 }] } } },
    ],
    events: [{ timeUnixNano: "1", name: "exception", attributes: [text("a", "b")] }],
    links: [{ traceId, spanId: "ab".repeat(8) }],
    status: { code: 2, message: "no" },
  });
  const records = [
    { traceId, severityNumber: 17, body: { stringValue: "x" }, attributes: [text("k", "v")] },
  ];
  const metrics = {
    resourceMetrics: [
      {
        scopeMetrics: [
          {
            metrics: [
              { name: "m", sum: { dataPoints: [{ asInt: "1", attributes: [text("k", "v")] }] } },
              {
                name: "h",
                histogram: { dataPoints: [{ bucketCounts: ["1", "2"], explicitBounds: [1] }] },
              },
            ],
          },
        ],
      },
    ],
  };
  const event = {
    exception: { values: [{ type: "Error", value: "x" }] },
    contexts: { trace: { trace_id: traceId, span_id: "ab".repeat(8) } },
  };
  const items = [
    { type: "event", payload: event },
    { type: "log", payload: { items: [{ body: "x", level: "info", trace_id: traceId }] } },
    { type: "client_report", payload: { discarded_events: [{ quantity: 1 }] } },
    { type: "sessions", payload: { aggregates: [] } },
  ];
  const json = "application/json";
  const protobuf = "application/x-protobuf";
  return [
    { path: "/v1/traces", type: protobuf, body: tracesProtobuf([rich, span({ traceId })]) },
    { path: "/v1/logs", type: protobuf, body: logsProtobuf(records) },
    { path: "/v1/metrics", type: protobuf, body: encodeMessage(metrics, metricsRequest) },
    { path: "/v1/traces", type: json, body: Buffer.from(JSON.stringify(traces([rich]))) },
    { path: "/v1/logs", type: json, body: Buffer.from(JSON.stringify(logs(records))) },
    { path: "/v1/metrics", type: json, body: Buffer.from(JSON.stringify(metrics)) },
    { path: "/api/1/envelope/", type: "text/plain", body: Buffer.from(envelope(items)) },
  ];
}

function mutate(original: Buffer, below: (n: number) => number): Buffer {
  let bytes = Buffer.from(original);
  for (let n = below(2); n >= 0; n--) {
    if (bytes.length === 0) return bytes;
    const at = below(bytes.length);
    const length = below(Math.min(40, bytes.length - at)) + 1;
    const part = bytes.subarray(at, at + length);
    switch (below(6)) {
      case 0:
        bytes[at] = below(256);
        break;
      case 1:
        bytes[at] = (bytes[at] as number) ^ (1 << below(8));
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), part, part, bytes.subarray(at + length)]);
        break;
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.alloc(length, 0xff),
          bytes.subarray(at),
        ]);
        break;
    }
  }
  return bytes;
}

test("10,000 mutated bodies: each is taken or refused as the sender's fault, and all of it can be read", async () => {
  const seed = Date.now() | 0;
  const below = random(seed);
  const store = await openTestStore();
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const originals = samples();
  const statuses = new Map<number, number>();

  const send = (sample: Sample): Promise<void> => {
    const zipped = below(5) === 0;
    const mutated = mutate(sample.body, below);
    // Half of the zipped ones break inside the gzip, the others before it.
    const body = zipped
      ? below(2) === 0
        ? mutate(gzipSync(mutated), below)
        : gzipSync(mutated)
      : mutated;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const headers = {
      "content-type": sample.type,
      "content-length": body.length,
      ...(zipped ? { "content-encoding": "gzip" } : {}),
    };
    request(`${store.url}${sample.path}`, { method: "POST", agent, headers }, (response) => {
      const status = response.statusCode ?? 0;
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
      response.resume().on("end", resolve);
    })
      .on("error", reject)
      .end(body);
    return promise;
  };
  for (let sent = 0; sent < bodies; sent += 8)
    await Promise.all(
      Array.from({ length: 8 }, () => send(originals[below(originals.length)] as Sample)),
    );
  agent.destroy();

  const unexpected = [...statuses.keys()].filter((status) => ![200, 400, 413].includes(status));
  expect(unexpected, `seed ${seed}`).toEqual([]);
  // The test would be worth nothing if all were taken or all refused.
  expect(Math.min(statuses.get(200) ?? 0, statuses.get(400) ?? 0)).toBeGreaterThan(bodies / 10);

  const { logs: records } = await store.get<LogsBody>("/lab/logs?limit=10000");
  const { items } = await store.get<SentryBody>("/lab/sentry?limit=10000");
  expect(records.length).toBeGreaterThan(0);
  const seen = [...records, ...items].map(({ traceId }) => traceId);
  for (const traceId of new Set(seen)) {
    if (traceId === null) continue;
    for (const path of [`/lab/traces/${traceId}`, `/api/traces/${traceId}`])
      expect([200, 404], `seed ${seed}`).toContain((await fetch(`${store.url}${path}`)).status);
  }
}, 120_000);

test("a gigabyte in a gzip is refused with little memory", async () => {
  const store = await openTestStore();
  // Gzip members may follow one another: the same zeros again and again.
  const member = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const bomb = Buffer.concat(Array.from({ length: 16 }, () => member));
  const before = process.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage().rss);
  }, 2);
  const answer = await store.post("/v1/traces", bomb, { "content-encoding": "gzip" });
  clearInterval(watch);
  expect(answer.status).toBe(413);
  expect((peak - before) / 1024 / 1024).toBeLessThan(120);
});
