import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { LabEvent } from "../api/events.ts";
import { type EventHub, openEventHub } from "./events.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function openHub(heartbeatMs = 60_000): Promise<{ hub: EventHub; port: number }> {
  const hub = openEventHub(1_000, heartbeatMs);
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? "/", "http://hub");
    hub.serve(request, response, {
      trace: searchParams.get("trace") ?? undefined,
      run: searchParams.get("run") ?? undefined,
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    hub.close();
    server.closeAllConnections();
    server.close();
  });
  return { hub, port: (server.address() as AddressInfo).port };
}

const telemetry = (spans: number, traceId = "a".repeat(32)): LabEvent => ({
  ...{ type: "telemetry", traceId, runId: null, spans, logs: 0, sentry: 0 },
});

interface Stream {
  /** Resolves with everything so far once this text has come, after the one asked for before. */
  readonly until: (text: string) => Promise<string>;
  readonly leave: () => void;
}

async function listen(port: number, lastEventId?: string, path = "/"): Promise<Stream> {
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const outgoing = httpRequest({ host: "127.0.0.1", port, path, headers, agent: false }).end();
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  incoming.on("error", () => undefined);
  let seen = "";
  let from = 0;
  incoming.setEncoding("utf8").on("data", (text) => {
    seen += text;
  });
  return {
    until: async (text) => {
      while (!seen.includes(text, from)) {
        from = Math.max(0, seen.length - text.length);
        await once(incoming, "data");
      }
      return seen;
    },
    leave: () => outgoing.destroy(),
  };
}

test("what is published arrives, numbered and in order", async () => {
  const { hub, port } = await openHub();
  const stream = await listen(port);
  hub.publish(telemetry(1));
  hub.publish(telemetry(2));
  const seen = await stream.until('"spans":2');
  expect(seen.match(/^id: \d+$/gm)).toEqual(["id: 1000000", "id: 1000001", "id: 1000002"]);
  expect(seen.indexOf('"spans":1')).toBeLessThan(seen.indexOf('"spans":2'));
});

test("a client that asks for one trace or run is spared the telemetry of others, resumed or not", async () => {
  const { hub, port } = await openHub();
  const [wanted, other] = ["b".repeat(32), "c".repeat(32)];
  const runId = "01jdr0000000000000000000ab";
  hub.publish(telemetry(1, wanted));
  hub.publish(telemetry(2, other));
  const resumed = await listen(port, "1000000", `/?trace=${wanted}`);
  const ofRun = await listen(port, undefined, `/?run=${runId}`);
  hub.publish(telemetry(3, other));
  hub.publish({ type: "telemetry", traceId: wanted, runId, spans: 4, logs: 0, sentry: 0 });
  hub.publish({ type: "resync" });
  const told = (seen: string) => [...seen.matchAll(/"spans":(\d)/g)].map(([, spans]) => spans);
  expect(told(await resumed.until("resync"))).toEqual(["1", "4"]);
  expect(told(await ofRun.until("resync"))).toEqual(["4"]);
});

test("a client that comes back gets what it missed, once", async () => {
  const { hub, port } = await openHub();
  for (const spans of [1, 2, 3]) hub.publish(telemetry(spans));
  const seen = await (await listen(port, "1000001")).until("retry:");
  expect(seen).not.toContain('"spans":1');
  expect(seen).toContain('"spans":2');
  expect(seen).toContain('"spans":3');
  expect(seen).not.toContain("resync");
});

test("even a client that saw nothing has a place to come back to", async () => {
  const { hub, port } = await openHub();
  const first = await listen(port);
  const id = /^id: (\d+)$/m.exec(await first.until("retry:"))?.[1];
  first.leave();
  hub.publish(telemetry(7));
  expect(await (await listen(port, id)).until("retry:")).toContain('"spans":7');
});

test.each([
  ["of an earlier life of the lab", "999999"],
  ["from the future", "2000000"],
  ["that is no number", "x'; --"],
])("an id %s is answered with resync", async (_what, id) => {
  const { hub, port } = await openHub();
  hub.publish(telemetry(1));
  const seen = await (await listen(port, id)).until("retry:");
  expect(seen).toContain('{"type":"resync"}');
  expect(seen).not.toContain('"spans"');
});

test("an id older than the ring is answered with resync", async () => {
  const { hub, port } = await openHub();
  for (let i = 0; i < 1002; i += 1) hub.publish(telemetry(i));
  expect(await (await listen(port, "1000001")).until("retry:")).toContain("resync");
  expect(await (await listen(port, "1000002")).until("retry:")).not.toContain("resync");
});

test("large messages shorten the memory, so that all of it can be sent at once", async () => {
  const { hub, port } = await openHub();
  const bulk = "b".repeat(30 * 1024);
  for (let i = 0; i < 20; i += 1) hub.publish(telemetry(i, bulk));
  expect(await (await listen(port, "1000013")).until("retry:")).toContain("resync");
  const seen = await (await listen(port, "1000014")).until("retry:");
  expect(seen).toContain('"spans":14,');
  expect(seen).toContain('"spans":19,');
});

test("a message larger than all memory is not remembered", async () => {
  const { hub, port } = await openHub();
  hub.publish(telemetry(1, "b".repeat(200 * 1024)));
  expect(await (await listen(port, "1000000")).until("retry:")).toContain("resync");
  expect(await (await listen(port, "1000001")).until("retry:")).not.toContain("resync");
});

test("clients that do not read are dropped at the cap, and the others get everything", async () => {
  const { hub, port } = await openHub();
  const stuck = await Promise.all(Array.from({ length: 5 }, () => stuckClient(port)));
  const reader = await listen(port);
  await reader.until("retry:");
  expect(hub.clients()).toBe(6);
  const bulk = "b".repeat(100_000);
  // The kernel takes some megabytes per connection before anything waits in this process.
  for (let i = 0; i < 100; i += 1) {
    hub.publish(telemetry(i, bulk));
    await reader.until(`"spans":${i},`);
  }
  expect(hub.clients()).toBe(1);
  for (const socket of stuck) socket.destroy();
});

async function stuckClient(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await once(socket, "readable");
  return socket.pause();
}

test("1,000 clients that come and go leave nothing behind", async () => {
  const { hub, port } = await openHub();
  for (let i = 0; i < 20; i += 1) {
    const streams = await Promise.all(Array.from({ length: 50 }, () => listen(port)));
    expect(hub.clients()).toBe(50);
    for (const stream of streams) stream.leave();
    while (hub.clients() > 0) await new Promise(setImmediate);
  }
  hub.publish(telemetry(1));
  expect(hub.clients()).toBe(0);
});

test("a quiet stream beats, and a beat is no event", async () => {
  const { port } = await openHub(20);
  const seen = await (await listen(port)).until(": beat\n\n: beat\n\n");
  expect(seen.match(/^data:/gm)).toBeNull();
});

test("closing ends every stream", async () => {
  const { hub, port } = await openHub();
  const response = await fetch(`http://127.0.0.1:${port}/`);
  hub.close();
  expect(await response.text()).toContain("retry:");
  expect(hub.clients()).toBe(0);
});
