import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { StatsBody } from "./contract.ts";
import { findLogs } from "./log-read.ts";
import { recordHeaderBytes, recordKind, segmentHeaderBytes } from "./segment-format.ts";
import { findSentryItems } from "./sentry-read.ts";
import { openStore, PinRefused, type Store } from "./store.ts";
import { emptyDir, openTestStore } from "./testing/open.ts";
import {
  envelope,
  logsProtobuf,
  newTraceId,
  span,
  text,
  tracesProtobuf,
} from "./testing/payload.ts";
import { traceJson } from "./trace-read.ts";

const small = { segmentBytes: 4096, retention: { bytes: 20_000 } };

/** One trace of two spans, one of which names the run, a log in the trace, one beside it, an event and two Sentry logs. */
async function fill(store: Store, traceId: string, run: string): Promise<void> {
  const attributes = [text("lab.run.id", run)];
  await store.addTraces(
    tracesProtobuf([span({ traceId, attributes }), span({ traceId, name: "second" })]),
  );
  await store.addLogs(
    logsProtobuf([
      { timeUnixNano: "1", traceId, body: { stringValue: "in" } },
      { timeUnixNano: "2", attributes, body: { stringValue: "beside" } },
    ]),
  );
  const event = { message: traceId, contexts: { trace: { trace_id: traceId } } };
  const items = [1, 2].map((n) => ({ trace_id: traceId, body: `line ${n}` }));
  await store.addEnvelope(
    Buffer.from(
      envelope([
        { type: "event", payload: event },
        { type: "log", payload: { items } },
      ]),
    ),
  );
}
const flood = async (store: Store, rounds: number): Promise<void> => {
  for (let n = 0; n < rounds; n++) await fill(store, newTraceId(), `flood-${n}`);
};

/** All there is of a run, but for numbers and times of arrival. */
function all({ index }: Store, traceId: string, run: string): unknown {
  const plain = ({ seq: _, receivedAt: __, ...rest }: Record<string, unknown>) => rest;
  return {
    trace: traceJson(index, index.traces.findHex(traceId), "otlp"),
    traces: [...index.runs.traces(index.runs.find(run))].map(index.traces.hex),
    logs: findLogs(index, { run, limit: 100 }).map((each) => plain({ ...each })),
    sentry: findSentryItems(index, { run, limit: 100 }).map((each) => plain({ ...each })),
  };
}

test("a pinned run survives eviction and restarts whole, and goes once it is unpinned", async () => {
  const dir = await emptyDir();
  const store = openStore({ dir, ...small });
  const [kept, other] = [newTraceId(), newTraceId()];
  await fill(store, kept, "kept");
  await fill(store, other, "other");
  const before = all(store, kept, "kept");
  expect(before).toMatchObject({ traces: [kept], logs: { length: 2 }, sentry: { length: 3 } });
  store.pin("kept");
  for (let round = 0; round < 5; round++) {
    await flood(store, 30);
    expect(all(store, kept, "kept")).toEqual(before);
    expect(store.stats().bytes).toBeLessThan(20_000 + 2 * 4096);
  }
  expect(all(store, other, "other")).toMatchObject({ trace: undefined, traces: [], logs: [] });

  // As after kill -9, and then from a checkpoint.
  const replayed = openStore({ dir, ...small });
  expect(all(replayed, kept, "kept")).toEqual(before);
  await flood(replayed, 60);
  expect(all(replayed, kept, "kept")).toEqual(before);
  replayed.close();
  const again = openStore({ dir, ...small });
  expect(all(again, kept, "kept")).toEqual(before);
  again.unpin("kept");
  await flood(again, 60);
  expect(all(again, kept, "kept")).toMatchObject({ trace: undefined, logs: [], sentry: [] });
  expect(again.stats().pinnedRuns).toEqual([]);
  again.close();
  store.close();
});

test("what a pinned run gets later is kept, too, and carrying it on is no news", async () => {
  const grown: number[] = [];
  const dir = await emptyDir();
  const grew = (growth: ReadonlyMap<number, unknown>): unknown => grown.push(growth.size);
  const store = openStore({ dir, ...small, grew });
  const traceId = newTraceId();
  await store.addTraces(tracesProtobuf([span({ traceId, attributes: [text("lab.run.id", "r")] })]));
  store.pin("r");
  await flood(store, 40);
  await store.addTraces(tracesProtobuf([span({ traceId, name: "late" })]));
  await flood(store, 80);
  expect(JSON.stringify(all(store, traceId, "r"))).toContain("late");
  expect(grown.filter((size) => size !== 1)).toEqual([]);
  store.close();
});

test.each([
  ["no checkpoint", false],
  ["a checkpoint from before it", true],
])(
  "killed at any moment of an eviction, with %s, the store has a pinned run whole and once",
  async (_, hasCheckpoint) => {
    const dir = await emptyDir();
    const store = openStore({ dir, ...small });
    const traceId = newTraceId();
    await fill(store, traceId, "kept");
    const before = all(store, traceId, "kept");
    store.pin("kept");
    const first = join(dir, "segment-00000001.log");
    while (!existsSync(join(dir, "segment-00000002.log")))
      await store.addTraces(tracesProtobuf([span()]));
    const evicted = readFileSync(first);
    if (hasCheckpoint) store.checkpoint();
    while (existsSync(first)) await store.addTraces(tracesProtobuf([span()]));
    const carriedIn = readdirSync(dir)
      .filter((name) => name.startsWith("segment"))
      .sort()
      .at(-1) as string;
    const whole = readFileSync(join(dir, carriedIn));
    const carryAt = carryOffset(whole);
    expect(carryAt).toBeGreaterThan(0);
    // Behind the carry the span that set the eviction off, if anything: from there on all is written.
    for (let length = carryAt; length <= whole.length; length += 97) {
      const copy = await emptyDir();
      cpSync(dir, copy, { recursive: true });
      writeFileSync(join(copy, "segment-00000001.log"), evicted);
      truncateSync(join(copy, carriedIn), length);
      for (const restart of [1, 2]) {
        const after = openStore({ dir: copy, segmentBytes: 4096 });
        expect([length, restart, all(after, traceId, "kept")]).toEqual([length, restart, before]);
        after.close();
      }
    }
    store.close();
  },
);

/** Where the record begins that leads a carry; -1 when there is none. */
function carryOffset(segment: Buffer): number {
  for (let at = segmentHeaderBytes; at < segment.length; ) {
    if (segment.readUInt8(at + 8) === recordKind.carry) return at;
    at += recordHeaderBytes + segment.readUInt32LE(at);
  }
  return -1;
}

test("pins are bounded in number and bytes, and say which one would make room", async () => {
  const dir = await emptyDir();
  const retention = { bytes: 20_000, pinnedRuns: 2, pinnedBytes: 5000 };
  const store = openStore({ dir, segmentBytes: 4096, retention });
  for (const run of ["a", "b", "c"]) await fill(store, newTraceId(), run);
  const wide = span({ name: "n".repeat(3000), attributes: [text("lab.run.id", "a")] });
  await store.addTraces(tracesProtobuf([wide]));
  const large = span({ name: "n".repeat(1900), attributes: [text("lab.run.id", "large")] });
  await store.addTraces(tracesProtobuf([large]));
  const why = (run: string): unknown => {
    try {
      return store.pin(run);
    } catch (error) {
      if (!(error instanceof PinRefused)) throw error;
      return [error.why, error.oldest];
    }
  };
  expect(why("nobody")).toEqual(["unknown run", undefined]);
  expect(why("a")).toBeUndefined();
  expect(why("large")).toEqual(["too large", "a"]);
  expect(why("b")).toBeUndefined();
  expect(why("c")).toEqual(["too many", "a"]);
  expect(why("a")).toBeUndefined();
  // A pinned run that grows beyond the limit costs the oldest pin.
  const more = span({ name: "n".repeat(1500), attributes: [text("lab.run.id", "b")] });
  await store.addTraces(tracesProtobuf([more]));
  await flood(store, 30);
  expect(store.stats()).toMatchObject({
    pinnedRuns: ["b"],
    dropped: { "pin given up: pinned runs grew too large": 1 },
  });
  store.close();
});

test("pins larger than the store's own limit do not keep it busy for ever", async () => {
  const dir = await emptyDir();
  const store = openStore({ dir, segmentBytes: 2000 });
  for (let n = 0; n < 10; n++) {
    await fill(store, newTraceId(), `run-${n}`);
    store.pin(`run-${n}`);
  }
  store.close();
  const strict = openStore({ dir, segmentBytes: 2000, retention: { bytes: 3000, spans: 3 } });
  await flood(strict, 10);
  expect(strict.stats()).toMatchObject({ pinnedRuns: { length: 10 } });
  expect(strict.stats().spans).toBeGreaterThanOrEqual(20);
  expect(strict.stats().spans).toBeLessThan(24);
  strict.close();
});

test("a file of pins that cannot be read costs the pins and not the store", async () => {
  const dir = await emptyDir();
  writeFileSync(join(dir, "pins.json"), '["a"');
  const store = openStore({ dir });
  expect(store.stats()).toMatchObject({ pinnedRuns: [], dropped: { "pins not readable": 1 } });
  store.close();
});

test("runs are pinned and unpinned over HTTP", async () => {
  const store = await openTestStore();
  const run = "0mwrxqxui000e5d2ysryfvixir";
  const ask = async (method: string): Promise<readonly [number, unknown]> => {
    const answer = await fetch(`${store.url}/lab/runs/${run}/pin`, { method });
    return [answer.status, await answer.json()];
  };
  expect(await ask("POST")).toMatchObject([404, { error: { code: "unknown_run" } }]);
  await store.post("/v1/traces", tracesProtobuf([span({ attributes: [text("lab.run.id", run)] })]));
  expect(await ask("POST")).toEqual([200, { pinnedRuns: [run] }]);
  expect((await store.get<StatsBody>("/lab/stats")).pinnedRuns).toEqual([run]);
  expect(await ask("DELETE")).toEqual([200, { pinnedRuns: [] }]);
  expect(await ask("DELETE")).toEqual([200, { pinnedRuns: [] }]);
  expect((await ask("GET"))[0]).toBe(405);
});
