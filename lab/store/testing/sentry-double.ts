import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
type Answer = (response: ServerResponse, request: Received) => void;

/** Stands for a real Sentry: keeps what it gets and answers as told. Ended after the test. */
export async function openSentryDouble() {
  const received: Received[] = [];
  let answer: Answer = (response) => response.end("{}");
  let waiters: { readonly count: number; readonly resolve: () => void }[] = [];
  const server = createServer(async (request, response) => {
    const { url: path = "", headers } = request;
    const exchange = { path, headers, body: await buffer(request) };
    received.push(exchange);
    for (const { count, resolve } of waiters) if (received.length >= count) resolve();
    waiters = waiters.filter(({ count }) => received.length < count);
    answer(response, exchange);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  onTestFinished(close);
  const { port } = server.address() as AddressInfo;
  return {
    dsn: `http://publickey@127.0.0.1:${port}/sub/42`,
    received,
    answerWith: (next: Answer) => {
      answer = next;
    },
    /** Resolves once it has got as many requests. */
    got: (count: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (received.length >= count) resolve();
      else waiters.push({ count, resolve });
      return promise;
    },
    close,
  };
}
