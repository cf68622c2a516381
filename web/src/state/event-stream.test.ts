import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { eventParser, followEvents } from "./event-stream.ts";

describe("eventParser", () => {
  const stream = ': hello\n\nid: 7\nevent: run\ndata: {"a":\ndata: 1}\n\ndata: x\r\n\r\n';
  const whole = [
    { id: "7", event: "run", data: '{"a":\n1}' },
    { id: "7", event: "message", data: "x" },
  ];

  test("joins data lines, keeps the last id and skips comments", () => {
    expect(eventParser()(stream)).toEqual(whole);
  });

  test("gives the same messages however the text is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
        const parse = eventParser();
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const parts = edges.slice(1).map((to, at) => stream.slice(edges[at], to));
        expect(parts.flatMap((part) => parse(part))).toEqual(whole);
      }),
    );
  });
});

describe("followEvents", () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0)) cleanup();
  });

  /** Answers the first connections as told, one after the other. */
  async function serve(...answers: ((response: ServerResponse) => void)[]) {
    const lastIds: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      lastIds.push(request.headers["last-event-id"] as string | undefined);
      (answers[lastIds.length - 1] ?? (() => undefined))(response);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => {
      server.closeAllConnections();
      server.close();
    });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, lastIds };
  }

  test("comes back with the last id after a break and after a refusal", async () => {
    const { url, lastIds } = await serve(
      (response) => response.writeHead(503).end(),
      (response) => response.writeHead(200).end("id: 41\ndata: one\n\n"),
      (response) => response.writeHead(200).write("id: 42\ndata: two\n\n"),
    );
    const abort = new AbortController();
    cleanups.push(() => abort.abort());
    const seen: string[] = [];
    await new Promise<void>((resolve) => {
      void followEvents(
        url,
        {
          onOpen: (fresh) => seen.push(fresh ? "fresh" : "continued"),
          onBroken: () => seen.push("broken"),
          onMessage: ({ data }) => {
            seen.push(data);
            if (data === "two") resolve();
          },
        },
        abort.signal,
      );
    });
    expect(lastIds).toEqual([undefined, undefined, "41"]);
    expect(seen).toEqual(["broken", "fresh", "one", "broken", "continued", "two"]);
  });

  test("ends when it is told to", async () => {
    const { url } = await serve((response) => response.writeHead(200).write("data: x\n\n"));
    const abort = new AbortController();
    await followEvents(
      url,
      { onOpen: () => undefined, onBroken: () => undefined, onMessage: () => abort.abort() },
      abort.signal,
    );
    expect(abort.signal.aborted).toBe(true);
  });
});
