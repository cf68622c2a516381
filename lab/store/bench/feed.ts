import { once } from "node:events";
import { rmSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { storeRoutes } from "../contract.ts";
import { encodeMessage } from "../otlp-encode.ts";
import { tracesRequest } from "../otlp-schema.ts";
import { hex } from "./batches.ts";
import { quantiles, report, tempDir } from "./measuring.ts";
import { startStore } from "./store-process.ts";

const rounds = 500;

/** Sends spans one by one and takes the time from the acknowledgement until a waiting reader has read the span. */
export async function measureFeed(): Promise<void> {
  const dir = tempDir();
  const { child, port } = await startStore(dir);
  const base = `http://127.0.0.1:${port}`;
  const lateMs: { readonly message: number[]; readonly read: number[] } = { message: [], read: [] };
  for (let round = 0; round < rounds; round++) {
    const traceId = `fe${hex(round, 30)}`;
    const told = await waitingReader(`${base}${storeRoutes.feed}?trace=${traceId}`);
    const span = { traceId, spanId: hex(round + 1, 16), name: "feed" };
    const body = encodeMessage(
      { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] },
      tracesRequest,
    );
    const headers = { "content-type": "application/x-protobuf" };
    const acknowledged = fetch(`${base}/v1/traces`, { method: "POST", body, headers }).then(() =>
      performance.now(),
    );
    const heardAt = await told();
    const answer = await fetch(`${base}${storeRoutes.trace(traceId)}`);
    if (answer.status !== 200) throw new Error(`told of a span that answers ${answer.status}`);
    await answer.arrayBuffer();
    const readAt = performance.now();
    lateMs.message.push(Math.max(0, heardAt - (await acknowledged)));
    lateMs.read.push(Math.max(0, readAt - (await acknowledged)));
  }
  report("feed: told after the acknowledgement (must p50 5 ms)", quantiles(lateMs.message));
  report("feed: told and the trace read (must p50 5 ms)", quantiles(lateMs.read));
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
  rmSync(dir, { recursive: true });
}

/** Resolves once it is greeted; what it gives resolves with the time at which the next news came. */
async function waitingReader(url: string): Promise<() => Promise<number>> {
  const request = get(url);
  // Ours is the end of the connection.
  request.on("error", () => undefined);
  const [response] = (await once(request, "response")) as [IncomingMessage];
  const greeted = Promise.withResolvers<void>();
  const news = Promise.withResolvers<number>();
  const lines = createInterface({ input: response });
  lines.on("line", (line) => {
    const at = performance.now();
    const { type } = JSON.parse(line) as { readonly type: string };
    if (type === "hello") greeted.resolve();
    if (type === "grew") news.resolve(at);
  });
  for (const each of [response, lines]) each.on("error", () => undefined);
  await greeted.promise;
  return async () => {
    const at = await news.promise;
    request.destroy();
    return at;
  };
}
