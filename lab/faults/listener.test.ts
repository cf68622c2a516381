import { once } from "node:events";
import { createServer } from "node:net";
import { Redis } from "iovalkey";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "#lab/testing/free-port.ts";
import { echo, endOf, openClient, openPeer, proxyTo, timed } from "./testing/peer.ts";

test("bytes pass both ways in order, and the half that ended stays ended only", async () => {
  const peer = await openPeer((socket) => {
    let asked = "";
    socket.on("data", (bytes) => {
      asked += bytes;
    });
    // Answers only once the question has ended, as HTTP/1.0 and `nc -N` do.
    socket.on("end", () => socket.end(`heard ${asked}`));
  });
  const { port, connections } = await proxyTo(peer);
  const client = openClient(port);
  client.socket.write("one ");
  client.socket.end("two");
  expect(await client.received(13)).toBe("heard one two");
  expect(await client.over).toBe("end");
  await once(client.socket, "close");
  await expect.poll(connections).toBe(0);
});

test("a slow reader holds the sender back", async () => {
  let sent = 0;
  const chunk = Buffer.alloc(64 * 1024);
  const peer = await openPeer((socket) => {
    const fill = () => {
      while (sent < 200 * 1024 * 1024 && socket.write(chunk)) sent += chunk.length;
    };
    socket.on("drain", fill);
    fill();
  });
  const { port } = await proxyTo(peer);
  const { socket } = openClient(port);
  socket.removeAllListeners("data");
  socket.pause();
  let before = -1;
  // Still once nobody takes any more.
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  expect(sent).toBeLessThan(60 * 1024 * 1024);
  socket.resume();
  await expect.poll(() => sent > before).toBe(true);
});

test("a reset on one side is a reset on the other", async () => {
  const peer = await openPeer(echo);
  const { port } = await proxyTo(peer);
  const client = openClient(port);
  await timed(client, "hello");
  peer.sockets[0]?.resetAndDestroy();
  expect(await client.over).toBe("ECONNRESET");

  const other = openClient(port);
  await timed(other, "hello");
  const seen = endOf(peer.sockets[1]);
  other.socket.resetAndDestroy();
  expect(await seen).toBe("ECONNRESET");
});

test("a service that cannot be reached shows as a reset, one that is gone as refused, and the port stays the same", async () => {
  const peer = await openPeer(echo);
  const proxy = await proxyTo({ port: await freePort() });
  expect(await openClient(proxy.port).over).toBe("ECONNRESET");
  await proxy.aim(null);
  expect(await openClient(proxy.port).over).toBe("ECONNREFUSED");
  await proxy.aim(peer.port);
  expect(await timed(openClient(proxy.port), "hello")).toBeGreaterThan(0);
});

test("latency delays answers by its time, keeps their order, and ends when it is disarmed", async () => {
  const peer = await openPeer(echo);
  const proxy = await proxyTo(peer);
  const client = openClient(proxy.port);
  expect(await timed(client, "fast")).toBeLessThan(1_000);
  await proxy.setToxics([{ kind: "latency", ms: 100, jitterMs: 40 }]);
  const begun = performance.now();
  const sent = Array.from({ length: 20 }, (_, n) => `${n};`);
  for (const message of sent) {
    client.socket.write(message);
    await new Promise(setImmediate);
  }
  expect(await client.received(4 + sent.join("").length)).toBe(`fast${sent.join("")}`);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(60);
  await proxy.setToxics([{ kind: "latency", ms: 60_000 }]);
  client.socket.write("late");
  await new Promise(setImmediate);
  await proxy.setToxics([]);
  await client.received(4 + sent.join("").length + 4);
  expect(await timed(client, "fast")).toBeLessThan(1_000);
});

test("latencies that are armed at once add up", async () => {
  const proxy = await proxyTo(await openPeer(echo), [
    { kind: "latency", ms: 60 },
    { kind: "latency", ms: 70 },
  ]);
  expect(await timed(openClient(proxy.port), "hello")).toBeGreaterThanOrEqual(129);
});

test("down closes open connections, refuses new ones, and ends on the same port", async () => {
  const proxy = await proxyTo(await openPeer(echo));
  const client = openClient(proxy.port);
  await timed(client, "hello");
  await proxy.setToxics([{ kind: "down" }]);
  expect(await client.over).toBe("end");
  expect(await openClient(proxy.port).over).toBe("ECONNREFUSED");
  await proxy.setToxics([]);
  await timed(openClient(proxy.port), "hello");
});

test("a port that somebody took meanwhile is listened on again once it is free", async () => {
  const proxy = await proxyTo(await openPeer(echo), [{ kind: "down" }]);
  const other = createServer().listen(proxy.port, "127.0.0.1");
  await once(other, "listening");
  const mended = proxy.setToxics([]);
  await new Promise((resolve) => setTimeout(resolve, 80));
  expect(proxy.connections()).toBe(0);
  other.close();
  await mended;
  await timed(openClient(proxy.port), "hello");
});

test("reset ends open connections and new ones in a reset, on the service's side too", async () => {
  const peer = await openPeer(echo);
  const proxy = await proxyTo(peer);
  const client = openClient(proxy.port);
  await timed(client, "hello");
  const seen = endOf(peer.sockets[0]);
  await proxy.setToxics([{ kind: "reset" }]);
  expect(await client.over).toBe("ECONNRESET");
  expect(await seen).toBe("ECONNRESET");
  expect(await openClient(proxy.port).over).toBe("ECONNRESET");
  await proxy.setToxics([]);
  await timed(openClient(proxy.port), "hello");
});

test("hang lets nothing through on open connections and new ones, and all of it afterwards", async () => {
  const peer = await openPeer(echo);
  const proxy = await proxyTo(peer);
  const open = openClient(proxy.port);
  await timed(open, "hello");
  await proxy.setToxics([{ kind: "hang" }, { kind: "latency", ms: 20 }]);
  const fresh = openClient(proxy.port);
  await once(fresh.socket, "connect");
  open.socket.write(" again");
  fresh.socket.write("new");
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect([open.text(), fresh.text()]).toEqual(["hello", ""]);
  await proxy.setToxics([]);
  expect(await open.received(11)).toBe("hello again");
  expect(await fresh.received(3)).toBe("new");
});

test("what a client asked while it hung and then gave up is not done afterwards", async () => {
  let heard = "";
  const peer = await openPeer((socket) =>
    socket.on("data", (bytes) => {
      heard += bytes;
    }),
  );
  const proxy = await proxyTo(peer, [{ kind: "hang" }]);
  const client = openClient(proxy.port);
  client.socket.end("delete everything");
  await expect.poll(proxy.connections).toBe(1);
  await expect.poll(() => peer.sockets.length).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await proxy.setToxics([]);
  await expect.poll(proxy.connections).toBe(0);
  expect(heard).toBe("");
});

test("requests are answered instead of the service, which hears nothing of them, and open connections come again", async () => {
  let heard = 0;
  const peer = await openPeer((socket) => {
    socket.on("data", () => {
      heard += 1;
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal");
    });
    socket.on("end", () => socket.end());
  });
  const proxy = await proxyTo(peer);
  const ask = async (init: RequestInit = {}) => {
    const answer = await fetch(`http://127.0.0.1:${proxy.port}/a`, init);
    return [answer.status, answer.headers.get("content-type"), await answer.text()];
  };
  expect(await ask()).toEqual([200, null, "real"]);
  await proxy.setToxics([{ kind: "answer", status: 503, type: "text/html", body: "<p>ö" }]);
  const posted = { method: "POST", body: "x".repeat(100_000) };
  expect(await ask()).toEqual([503, "text/html", "<p>ö"]);
  expect(await ask(posted)).toEqual([503, "text/html", "<p>ö"]);
  expect(heard).toBe(1);
  await proxy.setToxics([]);
  expect(await ask()).toEqual([200, null, "real"]);
  await expect.poll(proxy.connections).toBeLessThanOrEqual(1);
});

test("bandwidth lets so many bytes through per second, as a trickle", async () => {
  const size = 40_000;
  const peer = await openPeer((socket) => socket.end("x".repeat(size)));
  const proxy = await proxyTo(peer, [{ kind: "bandwidth", kilobytesPerSecond: 100 }]);
  const begun = performance.now();
  const client = openClient(proxy.port);
  await client.received(1);
  expect(client.text().length).toBeLessThan(size / 2);
  await client.received(size);
  const took = performance.now() - begun;
  expect(took).toBeGreaterThanOrEqual(390);
  expect(took).toBeLessThan(2_000);
});

test("slow close passes the last bytes on at once and the end so much later", async () => {
  const peer = await openPeer((socket) => socket.end("bye"));
  const proxy = await proxyTo(peer, [{ kind: "slow-close", ms: 150 }]);
  // From before the end was sent: when the bytes are seen here, part of the wait may be over.
  const begun = performance.now();
  const client = openClient(proxy.port);
  await client.received(3);
  expect(await client.over).toBe("end");
  expect(performance.now() - begun).toBeGreaterThanOrEqual(140);
});

test("iovalkey times out while it hangs and goes on afterwards", async () => {
  const peer = await openPeer((socket) => {
    socket.on("data", (bytes) => {
      for (const _ of bytes.toString().matchAll(/\*\d+\r\n/g)) socket.write("+PONG\r\n");
    });
    socket.on("end", () => socket.end());
  });
  const proxy = await proxyTo(peer);
  const valkey = new Redis(proxy.port, "127.0.0.1", {
    ...{ commandTimeout: 100, maxRetriesPerRequest: 1, enableReadyCheck: false, lazyConnect: true },
  });
  valkey.on("error", () => {});
  onTestFinished(() => valkey.disconnect());
  // On a busy machine any command may take longer than its client waits.
  const answers = () =>
    expect.poll(() => valkey.ping().catch(String), { timeout: 10_000 }).toBe("PONG");
  await answers();
  await proxy.setToxics([{ kind: "hang" }]);
  await expect(valkey.ping()).rejects.toThrow("timed out");
  await proxy.setToxics([]);
  await answers();
});
