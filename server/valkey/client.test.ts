import { once } from "node:events";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { openValkey, type Valkey, type ValkeyOptions } from "./client.ts";
import { startSlowRoad, startValkey, type ValkeyProcess } from "./testing/valkey-process.ts";

/** The one request that finds out waits for a command's limit of 250 ms, and never the client's own ten seconds. */
const findOutMs = 7_000;

let server: ValkeyProcess;
const opened: Valkey[] = [];
const open = async (url: string, events?: ValkeyOptions): Promise<Valkey> => {
  const valkey = openValkey(url, events);
  opened.push(valkey);
  if (valkey.client.status !== "ready") await once(valkey.client, "ready");
  return valkey;
};
beforeAll(async () => {
  server = await startValkey();
});
afterEach(() => {
  for (const valkey of opened.splice(0)) valkey.close();
});
afterAll(() => server.kill());

const timed = async (work: () => Promise<unknown>): Promise<{ ms: number; code: unknown }> => {
  const startedAt = performance.now();
  const code = await work().then(
    () => "ok",
    (error: { readonly code?: unknown }) => error.code,
  );
  return { ms: performance.now() - startedAt, code };
};
const get = (valkey: Valkey) => timed(() => valkey.attempt((client) => client.get("a")));

describe("an outage", () => {
  test.each(["killed", "frozen"] as const)(
    "%s: one call finds out in time, the next are refused at once, and it heals by itself",
    async (how) => {
      const away: unknown[] = [];
      const back = Promise.withResolvers<number>();
      const valkey = await open(server.url, {
        onAway: (error) => away.push(error),
        onBack: back.resolve,
      });
      if (how === "killed") await server.kill();
      else server.freeze();

      const first = await get(valkey);
      expect(first.code).toMatch(/^(?:CONNECTION_CLOSED|COMMAND_TIMEOUT)$/);
      expect(first.ms).toBeLessThan(findOutMs);
      const next = await Promise.all(Array.from({ length: 50 }, () => get(valkey)));
      expect(new Set(next.map(({ code }) => code))).toEqual(new Set(["CIRCUIT_OPEN"]));
      expect(valkey.isThere()).toBe(false);
      expect(away).toHaveLength(1);

      if (how === "killed") await server.start();
      else server.thaw();
      await back.promise;
      expect((await get(valkey)).code).toBe("ok");
      expect(away).toHaveLength(1);
    },
  );

  test("many at once open the circuit once, and wait together", async () => {
    const away: unknown[] = [];
    const back = Promise.withResolvers<number>();
    const valkey = await open(server.url, {
      onAway: (error) => away.push(error),
      onBack: back.resolve,
    });
    server.freeze();
    const { ms } = await timed(() => Promise.all(Array.from({ length: 200 }, () => get(valkey))));
    expect(ms).toBeLessThan(findOutMs);
    expect(away).toHaveLength(1);
    server.thaw();
    await back.promise;
  });

  test("50,000 calls meanwhile leave nothing behind", async () => {
    const valkey = await open(server.url);
    await server.kill();
    await get(valkey);
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed / 2 ** 20;
    };
    const before = heap();
    for (let round = 0; round < 50; round++) {
      const calls = Array.from({ length: 500 }, () => [
        valkey.attempt((client) => client.get("a")),
        valkey.client.set("a", "x".repeat(100)),
      ]);
      const results = await Promise.allSettled(calls.flat());
      expect(results.every(({ status }) => status === "rejected")).toBe(true);
    }
    expect(heap() - before).toBeLessThan(5);
    await server.start();
  }, 60_000);

  test("an error of the command is not an outage", async () => {
    const valkey = await open(server.url);
    await valkey.client.set("text", "x");
    const failed = await timed(() => valkey.attempt((client) => client.incr("text")));
    expect(failed.code).toBe("ERR");
    expect(valkey.isThere()).toBe(true);
  });

  test("a Valkey that was never there costs as little, and is used once it comes", async () => {
    await server.kill();
    const back = Promise.withResolvers<number>();
    const valkey = openValkey(server.url, { onBack: back.resolve });
    opened.push(valkey);
    expect((await get(valkey)).ms).toBeLessThan(findOutMs);
    expect((await get(valkey)).code).toBe("CIRCUIT_OPEN");
    await server.start();
    await back.promise;
    expect((await get(valkey)).code).toBe("ok");
  });
});

test("a slow Valkey is waited for as long as was set, and as usual again without a number", async () => {
  const road = await startSlowRoad(server.port);
  const valkey = await open(server.url.replace(String(server.port), String(road.port)));
  road.delayMs = 400;
  valkey.setPatience(15_000);
  const slow = await get(valkey);
  expect(slow.code).toBe("ok");
  expect(slow.ms).toBeGreaterThan(395);
  valkey.setPatience();
  // For ever, as far as the usual patience goes.
  road.delayMs = 600_000;
  const tooSlow = await get(valkey);
  expect(tooSlow.code).toBe("COMMAND_TIMEOUT");
  expect(tooSlow.ms).toBeLessThan(findOutMs);
  road.close();
});

test("a restart that nobody notices costs nobody anything", async () => {
  const away: unknown[] = [];
  const valkey = await open(server.url, { onAway: (error) => away.push(error) });
  const again = new Promise((resolve) => valkey.client.on("ready", resolve));
  await server.kill();
  await server.start();
  await again;
  expect((await get(valkey)).code).toBe("ok");
  expect(away).toEqual([]);
});

test("close ends all connections, those of subscribers too", async () => {
  const valkey = await open(server.url);
  const subscriber = valkey.subscriber();
  await once(subscriber, "ready");
  const ended = [once(valkey.client, "end"), once(subscriber, "end")];
  valkey.close();
  await Promise.all(ended);
});
