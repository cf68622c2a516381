import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { registry } from "../metrics.ts";
import { openSmallCache, tidySmallCache } from "./small-cache.ts";
import { startValkey, type ValkeyProcess } from "./testing/valkey-process.ts";

test("without one it says so, and tidying up has nothing to do", async () => {
  await expect(openSmallCache(undefined)).rejects.toMatchObject({
    ...{ status: 503, code: "no_small_cache" },
  });
  await tidySmallCache(undefined);
});

// The stand-in has neither limits nor INFO.
describe.skipIf(process.env.LAB_VALKEY_BIN === undefined)("in a real Valkey", () => {
  let server: ValkeyProcess;
  beforeAll(async () => {
    server = await startValkey();
  });
  afterAll(() => server?.kill());

  const evicted = async (): Promise<number> =>
    Number(/^lab_cache_evicted_keys_total (\d+)/m.exec(await registry.metrics())?.[1]);

  test("it is empty, tells what it evicts, and is as before when it is closed", async () => {
    const left = await openSmallCache(server.url);
    await left.client.set("left", "behind");
    await left.client.config("SET", "maxmemory-policy", "noeviction");
    left.client.disconnect();
    const cache = await openSmallCache(server.url);
    const before = await evicted();
    expect(await cache.client.dbsize()).toBe(0);
    expect(await cache.client.config("GET", "maxmemory-policy")).toContain("allkeys-lru");
    await cache.client.config("SET", "maxmemory", "3mb");
    for (let key = 0; key < 40; key++) await cache.client.set(`key:${key}`, "x".repeat(100_000));
    const during = await evicted();
    expect(during - before).toBeGreaterThan(10);
    await cache.close();
    expect(await evicted()).toBe(during);
    const again = await openSmallCache(server.url);
    expect(await again.client.dbsize()).toBe(0);
    expect(await again.client.config("GET", "maxmemory")).toContain(String(20 * 2 ** 20));
    await again.close();
  });
});
