import { Redis } from "iovalkey";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { testSecrets } from "#lab/supervisor/testing/fake-descriptors.ts";
import { openValkeyStandIn, type ValkeyStandIn } from "./standin.ts";
import { startRealValkey } from "./testing/real-valkey.ts";

const password = testSecrets.valkeyPassword;
const servers = {
  "the stand-in": () => openValkeyStandIn({ port: 0, password }),
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
    expect(await client.set("lock", "4")).toBe("OK");
    expect(await client.ttl("lock")).toBe(-1);
    expect(await client.ttl("other")).toBe(-2);
    expect(await client.expire("lock", 10)).toBe(1);
    expect(await client.pexpire("lock", 9_000)).toBe(1);
    expect(await client.ttl("lock")).toBe(9);
    expect(await client.expire("other", 10)).toBe(0);
    expect(await client.get("lock")).toBe("4");
    expect(await client.del("lock", "other")).toBe(1);
    await expect(client.call("set", "lock", "5", "EX", "0")).rejects.toThrow("ERR invalid expire");
    await expect(client.call("set", "lock", "5", "EVER")).rejects.toThrow("ERR syntax error");
    expect(await client.get("lock")).toBeNull();
  });

  test("forgets a key when its time is over", async () => {
    await client.set("short", "1", "PX", 30);
    await expect.poll(() => client.get("short"), { interval: 10 }).toBeNull();
    expect(await client.keys("*")).toEqual([]);
    expect(await client.set("short", "2", "NX")).toBe("OK");
  });

  test("counts, and refuses to count what is no number", async () => {
    expect(await client.incr("n")).toBe(1);
    expect(await client.incr("n")).toBe(2);
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
      .del("a", "missing")
      .exec();
    expect(answers?.map(([error, value]) => error?.message ?? value)).toEqual([
      "OK",
      2,
      "ERR wrong number of arguments for 'get' command",
      1,
    ]);
  });

  test("brings messages to who subscribed, until they leave", async () => {
    const subscriber = connect();
    const heard: string[][] = [];
    const two = Promise.withResolvers<void>();
    const hear = (...message: string[]) => {
      heard.push(message);
      if (heard.length === 2) two.resolve();
    };
    subscriber.on("message", hear);
    expect(await subscriber.subscribe("orders", "other")).toBe(2);
    expect(await client.publish("orders", "№ 1")).toBe(1);
    expect(await client.publish("other", "№ 2")).toBe(1);
    expect(await client.publish("nobody", "№ 3")).toBe(0);
    await two.promise;
    expect(heard).toEqual([
      ["orders", "№ 1"],
      ["other", "№ 2"],
    ]);
    await expect(subscriber.call("get", "a")).rejects.toThrow();
    expect(await subscriber.unsubscribe("orders", "other")).toBe(0);
    expect(await client.publish("orders", "2")).toBe(0);
    expect(await subscriber.get("a")).toBeNull();
  });

  test("names its keys, and counts those that stay", async () => {
    await client.set("session:1", "1", "EX", 60);
    await client.set("session:2", "1", "EX", 60);
    await client.set("product:1", "1");
    expect((await client.keys("session:*")).sort()).toEqual(["session:1", "session:2"]);
    expect(await client.keys("product:1")).toEqual(["product:1"]);
    expect(await client.info("keyspace")).toMatch(/^db0:keys=3,expires=2\b/m);
    expect(await client.info()).toMatch(/^loading:0\r$/m);
  });

  test("serves nobody without the password", async () => {
    await expect(connect({}).get("a")).rejects.toThrow("NOAUTH");
    await expect(connect({ password: "wrong" }).get("a")).rejects.toThrow(
      /WRONGPASS|NOAUTH|closed/,
    );
  });
});
