import { Redis } from "iovalkey";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { testSecrets } from "#lab/supervisor/testing/fake-descriptors.ts";
import { openValkeyStandIn, type ValkeyStandIn } from "./standin.ts";
import { startRealValkey } from "./testing/real-valkey.ts";

const password = testSecrets.valkeyPassword;
const servers = {
  "the stand-in": () => openValkeyStandIn({ port: 0, password, version: "0" }),
  "the real program": startRealValkey,
};

describe.each(Object.entries(servers))("%s", (_name, start) => {
  let server: ValkeyStandIn | undefined;
  let missing = "";
  let client: Redis;
  const clients: Redis[] = [];
  const connect = (options: { readonly password?: string } = { password }): Redis => {
    const made = new Redis({
      ...{ host: "127.0.0.1", port: server?.port ?? 0, ...options },
      ...{ maxRetriesPerRequest: 0, retryStrategy: () => null, lazyConnect: true },
    });
    // Those that shall fail are asked for their errors.
    made.on("error", () => {});
    clients.push(made);
    return made;
  };

  beforeAll(async () => {
    const started = await start();
    if (typeof started === "string") missing = started;
    else server = started;
  });
  afterAll(() => server?.close());
  beforeEach(async (context) => {
    if (server === undefined) context.skip(missing);
    client = connect();
    await client.flushdb();
  });
  afterEach(() => {
    for (const each of clients.splice(0)) each.disconnect();
  });

  test("keeps bytes as they are", async () => {
    const value = Buffer.from([0, 13, 10, 36, 255, 128]);
    expect(await client.set(value, value)).toBe("OK");
    expect(await client.getBuffer(value)).toEqual(value);
    expect(await client.get("nothing")).toBeNull();
    const large = Buffer.alloc(3_000_000, "x");
    await client.set("large", large);
    expect((await client.getBuffer("large"))?.equals(large)).toBe(true);
  });

  test("sets under a condition, with a time to live, or keeping it", async () => {
    expect(await client.set("lock", "1", "PX", 60_000, "NX")).toBe("OK");
    expect(await client.set("lock", "2", "EX", 60, "NX")).toBeNull();
    expect(await client.get("lock")).toBe("1");
    expect(await client.ttl("lock")).toBe(60);
    const left = await client.pttl("lock");
    expect(left).toBeGreaterThan(59_000);
    expect(left).toBeLessThanOrEqual(60_000);
    expect(await client.set("lock", "3", "KEEPTTL")).toBe("OK");
    expect(await client.ttl("lock")).toBe(60);
    expect(await client.set("other", "1", "XX")).toBeNull();
    expect(await client.set("lock", "4", "GET")).toBe("3");
    expect(await client.ttl("lock")).toBe(-1);
    expect(await client.ttl("other")).toBe(-2);
    expect(await client.expire("lock", 10)).toBe(1);
    expect(await client.persist("lock")).toBe(1);
    expect(await client.expire("other", 10)).toBe(0);
    expect(await client.getdel("lock")).toBe("4");
    expect(await client.exists("lock")).toBe(0);
  });

  test("forgets a key when its time is over", async () => {
    await client.set("short", "1", "PX", 30);
    await expect.poll(() => client.get("short"), { interval: 10 }).toBeNull();
    expect(await client.exists("short")).toBe(0);
    expect(await client.set("short", "2", "NX")).toBe("OK");
  });

  test("counts, and refuses to count what is no number", async () => {
    expect(await client.incr("n")).toBe(1);
    expect(await client.incrby("n", 41)).toBe(42);
    expect(await client.decr("n")).toBe(41);
    await client.set("text", "many");
    await expect(client.incr("text")).rejects.toThrow(
      "ERR value is not an integer or out of range",
    );
  });

  test("answers a pipeline in order, the refused in their place", async () => {
    const answers = await client
      .pipeline()
      .set("a", "1")
      .incr("a")
      .call("get")
      .mget("a", "missing")
      .del("a", "missing")
      .exec();
    expect(answers?.map(([error, value]) => error?.message ?? value)).toEqual([
      "OK",
      2,
      "ERR wrong number of arguments for 'get' command",
      ["2", null],
      1,
    ]);
  });

  test("does a transaction as a whole, or not at all", async () => {
    const done = await client.multi().set("a", "1").incr("a").get("a").exec();
    expect(done?.map(([, value]) => value)).toEqual(["OK", 2, "2"]);
    const spoilt = client.multi().set("a", "9").call("get").exec();
    await expect(spoilt).rejects.toThrow("EXECABORT");
    expect(await client.get("a")).toBe("2");
    await expect(client.call("exec")).rejects.toThrow("ERR EXEC without MULTI");
  });

  test("a scan finds every key that stays, while others come and go", async () => {
    const stays = Array.from({ length: 200 }, (_, n) => `stays:${n}`);
    const goes = Array.from({ length: 200 }, (_, n) => `goes:${n}`);
    await client.pipeline([...stays, ...goes].map((key) => ["set", key, "1"])).exec();
    expect(await client.dbsize()).toBe(400);
    const found = new Set<string>();
    let cursor = "0";
    do {
      const [next, keys] = await client.scan(cursor, "MATCH", "stays:*", "COUNT", 20);
      for (const key of keys) found.add(key);
      cursor = next;
      await client.del(...goes.splice(0, 20), "nothing");
      await client.set(`new:${cursor}`, "1");
    } while (cursor !== "0");
    expect([...found].sort()).toEqual(stays.sort());
  });

  test("tells patterns apart", async () => {
    await client.pipeline(["a1", "ab", "a[", "b1", "abc"].map((key) => ["set", key, "1"])).exec();
    const keys = async (pattern: string) => (await client.keys(pattern)).sort();
    expect(await keys("a?")).toEqual(["a1", "a[", "ab"]);
    expect(await keys("a[0-9b]")).toEqual(["a1", "ab"]);
    expect(await keys("a[^0-9]")).toEqual(["a[", "ab"]);
    expect(await keys("a\\[")).toEqual(["a["]);
    expect(await keys("*b*")).toEqual(["ab", "abc", "b1"]);
  });

  test("brings messages to who subscribed, by name and by pattern", async () => {
    const subscriber = connect();
    const heard: string[][] = [];
    const two = Promise.withResolvers<void>();
    const hear = (...message: string[]) => {
      heard.push(message);
      if (heard.length === 2) two.resolve();
    };
    subscriber.on("message", hear);
    subscriber.on("pmessage", hear);
    expect(await subscriber.subscribe("orders", "other")).toBe(2);
    expect(await subscriber.psubscribe("ord*")).toBe(3);
    expect(await client.publish("orders", "№ 1")).toBe(2);
    await two.promise;
    expect(heard).toEqual([
      ["orders", "№ 1"],
      ["ord*", "orders", "№ 1"],
    ]);
    await expect(subscriber.call("get", "a")).rejects.toThrow();
    expect(await subscriber.unsubscribe("orders", "other")).toBe(1);
    expect(await subscriber.punsubscribe("ord*")).toBe(0);
    expect(await client.publish("orders", "2")).toBe(0);
    expect(await subscriber.get("a")).toBeNull();
  });

  test("tells about itself what exporters and clients look for", async () => {
    await client.set("a", "1", "EX", 60);
    await client.get("a");
    await client.get("b");
    const info = await client.info();
    const number = (field: string) => Number(new RegExp(`^${field}:(\\d+)`, "m").exec(info)?.[1]);
    expect(number("loading")).toBe(0);
    expect(number("keyspace_hits")).toBeGreaterThan(0);
    expect(number("keyspace_misses")).toBeGreaterThan(0);
    expect(number("connected_clients")).toBeGreaterThan(0);
    expect(info).toMatch(/^db0:keys=1,expires=1,avg_ttl=\d+/m);
    expect(await client.config("GET", "maxmemory-policy")).toEqual([
      "maxmemory-policy",
      "noeviction",
    ]);
    expect(await client.client("SETNAME", "shop")).toBe("OK");
    expect(await client.client("GETNAME")).toBe("shop");
    expect(await client.client("LIST")).toContain("name=shop");
  });

  test("serves nobody without the password", async () => {
    await expect(connect({}).get("a")).rejects.toThrow("NOAUTH");
    await expect(connect({ password: "wrong" }).get("a")).rejects.toThrow(
      /WRONGPASS|NOAUTH|closed/,
    );
  });
});
