import { expect, test } from "vitest";
import type { FeedMessage } from "./contract.ts";
import { type FeedReader, openFeed } from "./feed.ts";
import { readFeed } from "./testing/feed-reader.ts";
import { openTestStore } from "./testing/open.ts";
import {
  envelope,
  logsProtobuf,
  newTraceId,
  span,
  text,
  tracesProtobuf,
} from "./testing/payload.ts";

const runId = "01jdr0000000000000000000ab";

test("a reader is greeted, then told what grew, which it can read at once", async () => {
  const store = await openTestStore();
  const feed = await readFeed(store.url);
  expect((await feed.next()).value).toEqual({ type: "hello", seq: 0 });
  const traceId = newTraceId();
  const attributes = [text("lab.run.id", runId)];
  await store.post(
    "/v1/traces",
    tracesProtobuf([span({ traceId }), span({ traceId, attributes })]),
  );
  expect((await feed.next()).value).toEqual({
    type: "grew",
    seq: 1,
    traces: [{ traceId, runId, spans: 2, logs: 0, sentry: 0 }],
  });
  expect(await store.get(`/lab/runs/${runId}/traces`)).toEqual({ traceIds: [traceId] });
  await store.post("/v1/logs", logsProtobuf([{ traceId, body: { stringValue: "a" } }]));
  expect((await feed.next()).value).toMatchObject({ traces: [{ traceId, runId, logs: 1 }] });
  const event = { message: "m", contexts: { trace: { trace_id: traceId } } };
  await store.post("/api/1/envelope/", envelope([{ type: "event", payload: event }]));
  expect((await feed.next()).value).toMatchObject({ traces: [{ traceId, runId, sentry: 1 }] });
});

test("a reader of one trace or one run hears of nothing else", async () => {
  const store = await openTestStore();
  const [wanted, inRun, other] = [newTraceId(), newTraceId(), newTraceId()];
  const ofTrace = await readFeed(store.url, `?trace=${wanted}`);
  const ofRun = await readFeed(store.url, `?run=${runId}`);
  const tail = await readFeed(store.url);
  for (const feed of [ofTrace, ofRun, tail]) await feed.next();
  const attributes = [text("lab.run.id", runId)];
  for (const each of [
    span({ traceId: other }),
    span({ traceId: inRun, attributes }),
    span({ traceId: wanted }),
    // Names no run itself; its trace does.
    span({ traceId: inRun }),
  ])
    await store.post("/v1/traces", tracesProtobuf([each]));
  const heard = async (feed: AsyncIterator<FeedMessage>, messages: number) => {
    const told: (readonly [number, readonly string[]])[] = [];
    while (told.length < messages) {
      const value: FeedMessage = (await feed.next()).value;
      if (value.type === "grew") told.push([value.seq, value.traces.map(({ traceId }) => traceId)]);
    }
    return told;
  };
  expect(await heard(ofTrace, 1)).toEqual([[3, [wanted]]]);
  expect(await heard(ofRun, 2)).toEqual([
    [2, [inRun]],
    [4, [inRun]],
  ]);
  expect(await heard(tail, 4)).toEqual([
    [1, [other]],
    [2, [inRun]],
    [3, [wanted]],
    [4, [inRun]],
  ]);
});

test("a trace of two runs is told to the readers of both, and what is no trace id is refused", async () => {
  const store = await openTestStore();
  const second = `${runId.slice(0, -1)}c`;
  const feed = await readFeed(store.url, `?run=${second}`);
  await feed.next();
  const traceId = newTraceId();
  const spans = [runId, second].map((id) =>
    span({ traceId, attributes: [text("lab.run.id", id)] }),
  );
  await store.post("/v1/traces", tracesProtobuf(spans));
  expect((await feed.next()).value).toMatchObject({ traces: [{ traceId, runId, spans: 2 }] });
  expect((await fetch(`${store.url}/lab/feed?trace=nonsense`)).status).toBe(400);
});

test("the feed beats, so that a reader notices a dead connection", async () => {
  const store = await openTestStore({ beatMs: 5 });
  const feed = await readFeed(store.url);
  await feed.next();
  expect((await feed.next()).value).toEqual({ type: "beat", seq: 0 });
});

test("half of all spans reach a waiting reader within 5 ms of their acknowledgement", async () => {
  const store = await openTestStore();
  const feed = await readFeed(store.url);
  await feed.next();
  const lateMs: number[] = [];
  for (let n = 0; n < 50; n++) {
    const message = feed.next().then(() => performance.now());
    const acknowledged = store
      .post("/v1/traces", tracesProtobuf([span()]))
      .then(() => performance.now());
    lateMs.push((await message) - (await acknowledged));
  }
  expect(lateMs.sort((a, b) => a - b)[25]).toBeLessThan(5);
});

function reader(stuck: boolean): FeedReader & { readonly lines: string[]; ended: boolean } {
  const lines: string[] = [];
  return {
    lines,
    ended: false,
    write: (line) => lines.push(line),
    pending: () => (stuck ? lines.join("").length : 0),
    destroy() {
      this.ended = true;
    },
  };
}

test("a reader that takes nothing is dropped at the cap, the others go on", async () => {
  const feed = openFeed({
    maxPendingBytes: 1000,
    describe: () => ({ traceId: newTraceId(), runId: null }),
    belongs: () => false,
  });
  const stuck = reader(true);
  const good = reader(false);
  feed.join(stuck);
  feed.join(good);
  for (let n = 0; n < 100; n++) {
    feed.grew(new Map([[1, { spans: 1, logs: 0, sentry: 0 }]]));
    await new Promise(setImmediate);
  }
  expect(stuck.ended).toBe(true);
  expect(stuck.lines.join("").length).toBeLessThan(1500);
  expect(good.lines).toHaveLength(101);
  expect(feed.readers()).toBe(1);
  feed.close();
  expect(good.ended).toBe(true);
});

test("a burst within one turn is told in one message", async () => {
  const feed = openFeed({
    describe: (trace) => ({ traceId: String(trace), runId: null }),
    belongs: () => false,
  });
  const good = reader(false);
  feed.join(good);
  for (let n = 0; n < 10; n++) feed.grew(new Map([[n % 2, { spans: 1, logs: 0, sentry: 0 }]]));
  await new Promise(setImmediate);
  expect(good.lines.slice(1).map((line) => JSON.parse(line))).toEqual([
    {
      type: "grew",
      seq: 1,
      traces: [0, 1].map((n) => ({
        traceId: String(n),
        runId: null,
        spans: 5,
        logs: 0,
        sentry: 0,
      })),
    },
  ]);
  feed.close();
});

test("readers that come and go leave nothing behind", async () => {
  const store = await openTestStore();
  for (let n = 0; n < 20; n++) {
    const answer = await fetch(`${store.url}/lab/feed`);
    await answer.body?.cancel();
  }
  await expect.poll(() => store.feedReaders()).toBe(0);
});
