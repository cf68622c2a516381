import { once } from "node:events";
import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { FeedMessage } from "../store/contract.ts";
import { openStoreSource } from "./store.ts";

async function serve(
  listener: RequestListener,
  port = 0,
): Promise<{ server: Server; url: string }> {
  const server = createServer(listener).listen(port, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function open(base: () => string | undefined, silenceMs?: number) {
  const source = openStoreSource(base, silenceMs);
  onTestFinished(source.close);
  return source;
}

const answering = (status: number, body: unknown): RequestListener => {
  return (_request, response) => {
    response.writeHead(status);
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };
};

test("what is unknown is nothing, not an error", async () => {
  const { url } = await serve(answering(404, { error: "unknown" }));
  const source = open(() => url);
  expect(await source.trace("a".repeat(32))).toBeUndefined();
  expect(await source.tracesOf("r")).toEqual([]);
  expect(await source.logs({ run: "r" })).toEqual([]);
  expect(await source.sentry({ trace: "t" })).toEqual([]);
});

test("it asks by run or by trace, and never for everything", async () => {
  const asked: (string | undefined)[] = [];
  const { url } = await serve((request, response) => {
    asked.push(request.url);
    response.end("{}");
  });
  const source = open(() => url);
  await source.logs({ run: "r&x=1" });
  await source.sentry({ trace: "t" });
  expect(asked).toEqual(["/lab/logs?run=r%26x%3D1&limit=5000", "/lab/sentry?trace=t&limit=5000"]);
});

test.each([
  ["has no address yet", undefined],
  ["refuses connections", "http://127.0.0.1:1"],
])("a store that %s is unreachable, with a hint", async (_what, base) => {
  const source = open(() => base);
  await expect(source.tracesOf("r")).rejects.toMatchObject({
    code: "store-unreachable",
    hint: expect.any(String),
  });
});

test.each([
  ["fails", 500, {}],
  ["answers something else", 200, "<html>"],
])("a store that %s is not taken for an empty one", async (_what, status, body) => {
  const { url } = await serve(answering(status, body));
  await expect(open(() => url).logs({ run: "r" })).rejects.toMatchObject({
    code: "store-unreachable",
  });
});

const line = (message: FeedMessage): string => `${JSON.stringify(message)}\n`;

test("the feed goes on after the store has come back, elsewhere, saying hello again", async () => {
  const feed = (seq: number) => (_request: unknown, response: ServerResponse) => {
    // In two pieces: a message may be cut anywhere.
    const text = line({ type: "hello", seq });
    response.write(text.slice(0, 7));
    setImmediate(() => response.write(text.slice(7)));
  };
  const first = await serve(feed(1));
  let base = first.url;
  const source = open(() => base);
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  const messages: FeedMessage[] = [];
  let heard = Promise.withResolvers<void>();
  source.follow((message) => {
    messages.push(message);
    heard.resolve();
  }, stopping.signal);
  await heard.promise;
  heard = Promise.withResolvers();
  base = (await serve(feed(2))).url;
  first.server.closeAllConnections();
  await heard.promise;
  expect(messages).toEqual([
    { type: "hello", seq: 1 },
    { type: "hello", seq: 2 },
  ]);
});

test("a feed nobody wants any more is closed at the store", async () => {
  const closed = Promise.withResolvers<void>();
  let requests = 0;
  const { url } = await serve((_request, response) => {
    requests += 1;
    response.once("close", () => closed.resolve());
    response.write(line({ type: "hello", seq: 1 }));
  });
  const stopping = new AbortController();
  open(() => url).follow(() => stopping.abort(), stopping.signal);
  await closed.promise;
  expect(requests).toBe(1);
});

test("a feed that falls silent is opened anew, one that beats is not", async () => {
  const hello = line({ type: "hello", seq: 1 });
  let silentOnes = 0;
  const reopened = Promise.withResolvers<void>();
  const silent = await serve((_request, response) => {
    silentOnes += 1;
    response.write(hello);
    if (silentOnes === 2) reopened.resolve();
  });
  const silenceMs = 300;
  let beatingOnes = 0;
  // When this process, and with it the beat, stood still for so long that it was a silence.
  let silences = 0;
  const beating = await serve((_request, response) => {
    beatingOnes += 1;
    response.write(hello);
    let beatenAt = performance.now();
    const beats = setInterval(() => {
      response.write(line({ type: "beat", seq: 1 }));
      if (performance.now() - beatenAt > silenceMs / 2) silences += 1;
      beatenAt = performance.now();
    }, 20);
    response.once("close", () => clearInterval(beats));
  });
  const stopping = new AbortController();
  onTestFinished(() => stopping.abort());
  const beats = Promise.withResolvers<void>();
  let heard = 0;
  open(() => silent.url, silenceMs).follow(() => undefined, stopping.signal);
  open(() => beating.url, silenceMs).follow(() => {
    heard += 1;
    // After more than the silence that is borne.
    if (heard === (2 * silenceMs) / 20) beats.resolve();
  }, stopping.signal);
  await Promise.all([reopened.promise, beats.promise]);
  expect(beatingOnes).toBeLessThanOrEqual(1 + silences);
});
