import { expect, test } from "vitest";
import type { MetricsBody } from "#lab/api/metrics.ts";
import { encodeMessage } from "./otlp-encode.ts";
import { metricsRequest } from "./otlp-schema.ts";
import { openStore } from "./store.ts";
import { emptyDir, openTestStore } from "./testing/open.ts";
import { newTraceId, span, text, tracesProtobuf } from "./testing/payload.ts";

const run = "0mwrxqxui000e5d2ysryfvixir";
const nano = (ms: number): string => `${ms}000000`;

interface Counted {
  readonly ms: number;
  readonly value: number;
  readonly outcome: string;
  readonly more?: object;
}
/** A request with a counter of these points and a histogram of one. */
const request = (points: readonly Counted[], service = "lab-server"): Buffer =>
  encodeMessage(
    {
      resourceMetrics: [
        {
          resource: { attributes: [text("service.name", service), text("host.name", "here")] },
          scopeMetrics: [
            {
              scope: { name: "test" },
              metrics: [
                {
                  name: "lab_cache_requests",
                  unit: "1",
                  sum: {
                    aggregationTemporality: 2,
                    isMonotonic: true,
                    dataPoints: points.map(({ ms, value, outcome, more }) => ({
                      timeUnixNano: nano(ms),
                      asInt: String(value),
                      attributes: [text("outcome", outcome)],
                      ...more,
                    })),
                  },
                },
                {
                  name: "duration",
                  unit: "s",
                  histogram: {
                    aggregationTemporality: 1,
                    dataPoints: [
                      {
                        timeUnixNano: nano(5000),
                        count: "3",
                        sum: 1.5,
                        bucketCounts: ["1", "2"],
                        explicitBounds: [0.1],
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    },
    metricsRequest,
  );

async function opened() {
  const store = await openTestStore();
  const send = async (body: Buffer): Promise<void> => {
    expect((await store.post("/v1/metrics", body)).status).toBe(200);
  };
  const values = async (query: string): Promise<readonly (number | null)[]> =>
    (await store.get<MetricsBody>(`/lab/metrics?${query}`)).points.map(({ value }) => value);
  return { store, send, values };
}

test("points are found by name, labels, sender and time, oldest first", async () => {
  const { store, send, values } = await opened();
  await send(
    request([
      { ms: 1000, value: 1, outcome: "hit" },
      { ms: 1000, value: 10, outcome: "miss" },
    ]),
  );
  await send(request([{ ms: 2000, value: 2, outcome: "hit" }]));
  await send(request([{ ms: 3000, value: 7, outcome: "hit" }], "lab-web"));
  const name = "name=lab_cache_requests";
  expect(await values(name)).toEqual([1, 10, 2, 7]);
  expect(await values(`${name}&label.outcome=hit`)).toEqual([1, 2, 7]);
  expect(await values(`${name}&label.outcome=hit&label.service.name=lab-server`)).toEqual([1, 2]);
  expect(await values(`${name}&label.host.name=there`)).toEqual([]);
  expect(await values(`${name}&label.absent=x`)).toEqual([]);
  expect(await values(`${name}&from=1001&to=3000`)).toEqual([2, 7]);
  expect(await values(`${name}&to=2000`)).toEqual([1, 10, 2]);
  expect(await values(`${name}&limit=2`)).toEqual([2, 7]);
  expect(await values("name=nothing")).toEqual([]);
  expect(await store.get<MetricsBody>("/lab/metrics?name=duration&limit=1")).toEqual({
    points: [
      {
        seq: expect.any(Number),
        name: "duration",
        unit: "s",
        kind: "histogram",
        temporality: "delta",
        service: "lab-web",
        labels: {},
        timeUnixNano: nano(5000),
        value: null,
        point: {
          timeUnixNano: nano(5000),
          count: "3",
          sum: 1.5,
          bucketCounts: ["1", "2"],
          explicitBounds: [0.1],
        },
      },
    ],
  });
  expect(await store.get("/lab/stats")).toMatchObject({ metricPoints: 7 });
});

test("points of a run are those that name it or have an exemplar of its traces", async () => {
  const { store, send, values } = await opened();
  const traceId = newTraceId();
  const ofRun = span({ traceId, attributes: [text("lab.run.id", run)] });
  await store.post("/v1/traces", tracesProtobuf([ofRun]));
  await send(
    request([
      { ms: 1, value: 1, outcome: "a", more: { attributes: [text("lab.run.id", run)] } },
      { ms: 2, value: 2, outcome: "a", more: { exemplars: [{ traceId, asDouble: 1 }] } },
      { ms: 3, value: 3, outcome: "a", more: { exemplars: [{ traceId: newTraceId() }] } },
      { ms: 4, value: 4, outcome: "a", more: { attributes: [text("lab.run.id", "other")] } },
    ]),
  );
  expect(await values(`run=${run}`)).toEqual([1, 2]);
  expect(await values("run=nobody")).toEqual([]);
});

test.each(["from=yesterday", "to=-1", "limit=0", "limit=x"])("%s is refused", async (query) => {
  const { store } = await opened();
  expect((await fetch(`${store.url}/lab/metrics?${query}`)).status).toBe(400);
});

test("a request of too many points is refused as a whole", async () => {
  const { store } = await opened();
  const many = Array.from({ length: 10_001 }, (_, ms) => ({ ms, value: 1, outcome: "x" }));
  expect((await store.post("/v1/metrics", request(many))).status).toBe(413);
  expect(await store.get("/lab/stats")).toMatchObject({ metricPoints: 0 });
});

test("a restart finds the points again, and the oldest go with their segments", async () => {
  const dir = await emptyDir();
  const options = { dir, segmentBytes: 4096, retention: { metricPoints: 100 } };
  const store = openStore(options);
  const points = async (into: typeof store, from: number): Promise<void> => {
    for (let n = from; n < from + 150; n++)
      await into.addMetrics(request([{ ms: n, value: n, outcome: `o${n}` }]));
  };
  const { findMetrics } = await import("./metric-read.ts");
  const all = (of: typeof store) => findMetrics(of.index, { labels: [], limit: 10_000 });
  await points(store, 1);
  const kept = all(store);
  expect(kept.length).toBe(store.stats().metricPoints);
  expect(kept.length).toBeGreaterThan(50);
  expect(kept.length).toBeLessThan(130);
  expect(kept.at(-2)).toMatchObject({ value: 150, labels: { outcome: "o150" } });
  // As after kill -9: the files are there, nothing was closed.
  const replayed = openStore(options);
  expect(all(replayed)).toEqual(kept);
  replayed.close();
  store.checkpoint();
  const fromCheckpoint = openStore(options);
  expect(all(fromCheckpoint)).toEqual(kept);
  await points(fromCheckpoint, 200);
  expect(all(fromCheckpoint).at(-2)).toMatchObject({ value: 349, labels: { outcome: "o349" } });
  fromCheckpoint.close();
  store.close();
});
