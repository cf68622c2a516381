import { get, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";
import type { FeedMessage } from "../contract.ts";

/** The messages of a store's feed, one by one; the connection ends with the test. `filter`: e.g. `?run=…`. */
export async function readFeed(url: string, filter = ""): Promise<AsyncIterator<FeedMessage>> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = get(`${url}/lab/feed${filter}`, resolve).on("error", reject);
  const response = await promise;
  onTestFinished(() => {
    request.destroy();
  });
  response.on("error", () => undefined);
  return messages(response);
}

async function* messages(response: IncomingMessage): AsyncGenerator<FeedMessage, undefined> {
  for await (const line of createInterface({ input: response }))
    yield JSON.parse(line) as FeedMessage;
  return undefined;
}
