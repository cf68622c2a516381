import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { SpanStatusCode } from "@opentelemetry/api";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Cache } from "#scenarios/edges/cache.ts";
import { registry } from "../metrics.ts";
import { type RecordedSpans, recordSpans } from "../testing/spans.ts";
import { openValkey, type Valkey } from "../valkey/client.ts";
import { startValkey, type ValkeyProcess } from "../valkey/testing/valkey-process.ts";
import { openCache, timeToLive } from "./cache.ts";

let spans: RecordedSpans;
let server: ValkeyProcess;
let valkey: Valkey;
let cache: Cache;
let last = 0;
let key = "";
const keeping = { ttlMs: 60_000 };
beforeAll(async () => {
  spans = recordSpans();
  server = await startValkey();
  // A machine may be busy for longer than the app waits, and Valkey not be away.
  valkey = openValkey(server.url, { patienceMs: 10_000 });
  await once(valkey.client, "ready");
  cache = openCache(valkey);
});
afterAll(async () => {
  valkey.close();
  await Promise.all([server.kill(), spans.stop()]);
});
beforeEach(() => {
  spans.reset();
  last += 1;
  key = `test:${last}`;
});

const outcomes = (): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { attributes } of spans.named("cache read")) {
    const outcome = String(attributes["lab.cache.outcome"]);
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return counts;
};

test("a miss loads and keeps, the next read hits", async () => {
  const load = async () => ({ name: "chair" });
  expect(await cache.through(key, keeping, load)).toEqual({ name: "chair" });
  expect(await cache.through(key, keeping, () => expect.unreachable())).toEqual({ name: "chair" });
  expect(outcomes()).toEqual({ miss: 1, hit: 1 });
  expect(await valkey.client.pttl(key)).toBeGreaterThan(50_000);
});

test("200 readers at once are one load; the others are linked to it", async () => {
  let loads = 0;
  const values = await Promise.all(
    Array.from({ length: 200 }, () =>
      cache.through(key, keeping, async () => {
        loads += 1;
        await pause(20);
        return loads;
      }),
    ),
  );
  expect(loads).toBe(1);
  expect(new Set(values)).toEqual(new Set([1]));
  expect(outcomes()).toEqual({ miss: 1, coalesced: 199 });
  const load = spans.named("cache load")[0]?.spanContext().spanId;
  const links = spans.named("cache read").flatMap((span) => span.links);
  expect(links).toHaveLength(199);
  expect(new Set(links.map(({ context }) => context.spanId))).toEqual(new Set([load]));
});

test("without single-flight each reader loads", async () => {
  let loads = 0;
  const load = async () => {
    loads += 1;
    await pause(20);
    return loads;
  };
  const alone = { ...keeping, singleFlight: false };
  await Promise.all(Array.from({ length: 20 }, () => cache.through(key, alone, load)));
  expect(loads).toBe(20);
});

test("a load that fails fails for all who wait, is not kept, and is tried again", async () => {
  const failing = async () => {
    await pause(5);
    throw new Error("no database");
  };
  const results = await Promise.allSettled(
    Array.from({ length: 5 }, () => cache.through(key, keeping, failing)),
  );
  expect(results.every(({ status }) => status === "rejected")).toBe(true);
  expect(spans.named("cache load")[0]?.status.code).toBe(SpanStatusCode.ERROR);
  expect(await cache.through(key, keeping, async () => "there")).toBe("there");
});

test("what is no JSON is loaded anew and put right", async () => {
  await valkey.client.set(key, "{half");
  expect(await cache.through(key, keeping, async () => [1])).toEqual([1]);
  expect(await valkey.client.get(key)).toBe("[1]");
});

test("forget makes the next reader load", async () => {
  await cache.through(key, keeping, async () => "old");
  await cache.forget(key);
  expect(await cache.through(key, keeping, async () => "new")).toBe("new");
});

test("the time to live is cut by at most its jitter", () => {
  expect(timeToLive({ ttlMs: 1000 }, 0)).toBe(1000);
  expect(timeToLive({ ttlMs: 1000 }, 1)).toBe(900);
  expect(timeToLive({ ttlMs: 1000, jitter: 0.5 }, 0.5)).toBe(750);
  expect(timeToLive({ ttlMs: 1, jitter: 1 }, 1)).toBe(1);
});

test("each read is counted by its outcome, and all outcomes are there from the start", async () => {
  const text = await registry.metrics();
  for (const outcome of ["hit", "miss", "coalesced", "error"]) {
    expect(text).toContain(`lab_cache_requests_total{outcome="${outcome}"}`);
  }
});

describe("while Valkey is away", () => {
  test.each(["killed", "frozen"] as const)("%s: every reader is answered", async (how) => {
    await cache.through(key, keeping, async () => "kept");
    // The app's own.
    valkey.setPatience(250);
    if (how === "killed") await server.kill();
    else server.freeze();
    spans.reset();
    let loads = 0;
    const load = async () => {
      loads += 1;
      return "loaded";
    };
    const startedAt = performance.now();
    expect(await cache.through(key, keeping, load)).toBe("loaded");
    // Once a quarter of a second, by the command's limit, and never the client's own ten seconds.
    expect(performance.now() - startedAt).toBeLessThan(7_000);
    const asked = spans.named("GET").length;
    for (let read = 0; read < 10; read++) await cache.through(key, keeping, load);
    // No read after it asks Valkey again, and would wait for it.
    expect([asked, spans.named("GET").length]).toEqual([1, 1]);
    await cache.forget(key);
    expect(loads).toBe(11);
    expect(outcomes()).toEqual({ error: 11 });
    expect(spans.named("cache read").map(({ attributes }) => attributes["lab.degraded"])).toEqual(
      Array.from({ length: 11 }, () => true),
    );
    expect(cache.isThere()).toBe(false);

    if (how === "killed") await server.start();
    else server.thaw();
    while (!cache.isThere()) await pause(5);
    valkey.setPatience();
    spans.reset();
    await cache.through(key, keeping, load);
    expect(outcomes().error).toBeUndefined();
  });
});
