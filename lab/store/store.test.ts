import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { findLogs } from "./log-read.ts";
import { findSentryItems } from "./sentry-read.ts";
import { scanSpans } from "./span-scan.ts";
import { spanStage } from "./span-stage.ts";
import { openStore, type Store, type StoreOptions } from "./store.ts";
import { emptyDir } from "./testing/open.ts";
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

async function open(options: Partial<StoreOptions> = {}): Promise<Store> {
  return openStore({ dir: await emptyDir(), ...options });
}
const hasTrace = ({ index }: Store, traceId: string): boolean =>
  traceJson(index, index.traces.findHex(traceId), "otlp") !== undefined;

/** One trace with two spans, a log and an event, all naming the run. */
async function fill(store: Store, traceId: string, run: string): Promise<void> {
  const attributes = [text("lab.run.id", run)];
  await store.addTraces(tracesProtobuf([span({ traceId, attributes }), span({ traceId })]));
  await store.addLogs(logsProtobuf([{ traceId, body: { stringValue: traceId } }]));
  const event = { message: traceId, contexts: { trace: { trace_id: traceId } } };
  await store.addEnvelope(Buffer.from(envelope([{ type: "event", payload: event }])));
}

test("the oldest go first, as whole segments, and leave nothing in any answer", async () => {
  const dir = await emptyDir();
  const store = await open({ dir, ...small });
  const traceIds = Array.from({ length: 200 }, newTraceId);
  for (const [n, traceId] of traceIds.entries()) {
    await fill(store, traceId, `run-${n}`);
    expect(store.stats().bytes).toBeLessThan(20_000 + 4096);
  }
  const { index } = store;
  const kept = traceIds.filter((traceId) => hasTrace(store, traceId));
  // Kept is an unbroken end of what was sent.
  expect(kept.length).toBeGreaterThan(5);
  expect(kept).toEqual(traceIds.slice(-kept.length));
  const stats = store.stats();
  expect(stats.traces).toBeLessThanOrEqual(kept.length + 1);
  expect(stats.spans).toBe(kept.length * 2);
  for (const [n, traceId] of traceIds.entries()) {
    const run = index.runs.traces(index.runs.find(`run-${n}`));
    if (!kept.includes(traceId) && n < 100) {
      expect(run.size).toBe(0);
      expect(findLogs(index, { trace: traceId, limit: 10 })).toEqual([]);
      expect(findSentryItems(index, { trace: traceId, limit: 10 })).toEqual([]);
    }
  }
  expect(findLogs(index, { limit: 10_000 })).toHaveLength(stats.logs);
  expect(findSentryItems(index, { limit: 10_000 })).toHaveLength(stats.sentryItems);
  expect(readdirSync(dir).length).toBeLessThan(8);
  store.close();

  const again = await open({ dir, ...small });
  expect(again.stats()).toEqual(stats);
  expect(traceIds.filter((traceId) => hasTrace(again, traceId))).toEqual(kept);
  again.close();
});

test("a count of spans is a limit, too", async () => {
  const store = await open({ segmentBytes: 2000, retention: { spans: 50 } });
  for (let n = 0; n < 100; n++) await store.addTraces(tracesProtobuf([span(), span()]));
  expect(store.stats().spans).toBeLessThan(80);
  expect(store.stats().traces).toBe(store.stats().spans);
  store.close();
});

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

test("memory stays flat while old data makes room for new", async () => {
  const store = await open({ segmentBytes: 1 << 20, retention: { bytes: 4 << 20 } });
  const template = tracesProtobuf(Array.from({ length: 500 }, () => span()));
  const stage = spanStage();
  scanSpans(template, stage);
  let id = 0;
  /** The same spans with other ids. */
  const batch = (): Buffer => {
    const bytes = Buffer.from(template);
    for (const offset of stage.offset.subarray(0, stage.count)) {
      // 0a 10 trace id, 12 08 span id
      bytes.writeUInt32LE(++id, offset + 2);
      bytes.writeUInt32LE(id, offset + 20);
    }
    return bytes;
  };
  const send = async (batches: number): Promise<number> => {
    for (let n = 0; n < batches; n++) await store.addTraces(batch());
    collectGarbage();
    await new Promise(setImmediate);
    collectGarbage();
    return process.memoryUsage().arrayBuffers;
  };
  const warm = await send(150);
  const later = await send(150);
  expect(later - warm).toBeLessThan(8 << 20);
  expect(store.stats().spans).toBeLessThan(id / 2);
  store.close();
});

/** Everything that can be asked of these traces. */
const answers = ({ index, stats }: Store, traceIds: readonly string[]): unknown => ({
  stats: { ...stats(), bytes: 0, dropped: {} },
  traces: traceIds.map((traceId) => traceJson(index, index.traces.findHex(traceId), "otlp")),
  runs: traceIds.map((_, n) =>
    [...index.runs.traces(index.runs.find(`run-${n}`))].map(index.traces.hex),
  ),
  logs: findLogs(index, { limit: 10_000 }),
  sentry: findSentryItems(index, { limit: 10_000 }),
});

test("a checkpoint and the tail behind it give the same answers as the whole log", async () => {
  const dir = await emptyDir();
  const traceIds = Array.from({ length: 60 }, newTraceId);
  const store = await open({ dir, segmentBytes: 8192 });
  for (const [n, traceId] of traceIds.entries()) {
    await fill(store, traceId, `run-${n}`);
    if (n === 40) store.checkpoint();
  }
  const before = answers(store, traceIds);
  // As after kill -9: the log's files are there, nothing was closed.
  const fromBoth = await open({ dir, segmentBytes: 8192 });
  expect(answers(fromBoth, traceIds)).toEqual(before);
  const duplicate = tracesProtobuf([span({ traceId: traceIds[0] ?? "" })]);
  await fromBoth.addTraces(duplicate);
  await fromBoth.addTraces(duplicate);
  expect(fromBoth.stats().spans).toBe(store.stats().spans + 1);
  fromBoth.close();
  store.close();
});

test.each([
  ["empty", (_: Buffer) => Buffer.alloc(0)],
  ["cut", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ["of a later version", (bytes: Buffer) => bytes.fill((bytes[8] as number) + 1, 8, 9)],
  ["of an older version", (bytes: Buffer) => bytes.fill((bytes[8] as number) - 1, 8, 9)],
  ["flipped in its header", (bytes: Buffer) => bytes.fill(0xff, 16, 20)],
  ["flipped in its JSON", (bytes: Buffer) => bytes.fill(0x20, 30, 40)],
  ["flipped in its columns", (bytes: Buffer) => bytes.fill(0x55, bytes.length - 4000)],
])("a checkpoint that is %s is not used, and nothing is missing", async (_, damage) => {
  const dir = await emptyDir();
  const store = await open({ dir });
  const traceIds = Array.from({ length: 5 }, newTraceId);
  for (const [n, traceId] of traceIds.entries()) await fill(store, traceId, `run-${n}`);
  const before = answers(store, traceIds);
  store.close();
  const path = join(dir, "index.checkpoint");
  writeFileSync(path, damage(readFileSync(path)));
  const again = await open({ dir });
  expect(answers(again, traceIds)).toEqual(before);
  again.close();
});

test("a checkpoint of segments that are gone, or shorter now, is no trap", async () => {
  const dir = await emptyDir();
  const store = await open({ dir, segmentBytes: 4096 });
  const traceIds = Array.from({ length: 60 }, newTraceId);
  for (const [n, traceId] of traceIds.entries()) await fill(store, traceId, `run-${n}`);
  store.close();
  rmSync(join(dir, "segment-00000001.log"));
  const withoutOldest = await open({ dir });
  expect(hasTrace(withoutOldest, traceIds[0] ?? "")).toBe(false);
  expect(hasTrace(withoutOldest, traceIds[59] ?? "")).toBe(true);
  expect(findLogs(withoutOldest.index, { limit: 10_000 })).toHaveLength(withoutOldest.stats().logs);
  withoutOldest.close();
  const newest =
    readdirSync(dir)
      .filter((name) => name.endsWith(".log"))
      .at(-1) ?? "";
  truncateSync(join(dir, newest), 100);
  const shorter = await open({ dir });
  expect(hasTrace(shorter, traceIds[40] ?? "")).toBe(true);
  expect(hasTrace(shorter, traceIds[59] ?? "")).toBe(false);
  shorter.close();
});
