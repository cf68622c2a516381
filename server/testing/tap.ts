import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
  request as send,
} from "node:http";
import type { Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { freePort } from "./free-port.ts";

/** One telemetry request, decompressed. */
export interface Tapped {
  readonly path: string;
  readonly body: Buffer;
}

/**
 * Stands between the app and its telemetry receiver. Keeps every body, hands it on when there is a
 * receiver behind it, and can be away in the three ways receivers are.
 */
export interface Tap {
  readonly url: string;
  readonly requests: readonly Tapped[];
  /** The first request, past or future, that `match` accepts. */
  readonly next: (match: (request: Tapped) => boolean) => Promise<Tapped>;
  /** `hang`: takes the request and never answers; `unavailable`: answers 503. */
  readonly behave: (behaviour: "answer" | "hang" | "unavailable") => void;
  /** Nothing listens any more, until `reopen`. */
  readonly refuse: () => Promise<void>;
  readonly reopen: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Opens one on a free port. `receiver` is a base URL, or undefined to answer everything itself. */
export async function openTap(receiver?: string): Promise<Tap> {
  const requests: Tapped[] = [];
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let behaviour: "answer" | "hang" | "unavailable" = "answer";
  const port = await freePort();

  const server = createServer(async (request, response) => {
    if (behaviour === "hang") return;
    if (behaviour === "unavailable") {
      response.writeHead(503).end();
      return;
    }
    const raw = await bodyOf(request);
    const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
    if (receiver === undefined)
      response.writeHead(200, { "content-type": "application/json" }).end("{}");
    else await handOn(receiver, request, raw, response);
    requests.push({ path: request.url ?? "", body });
    for (const check of waiting.splice(0)) check();
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const open = () =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "127.0.0.1", () => resolve());
    });
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  await open();
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    next: (match) =>
      new Promise((resolve) => {
        const check = () => {
          const found = requests.find(match);
          if (found === undefined) waiting.push(check);
          else resolve(found);
        };
        check();
      }),
    behave(next) {
      behaviour = next;
      if (next !== "hang") for (const socket of sockets) socket.destroy();
    },
    refuse: close,
    reopen: open,
    close,
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function handOn(
  receiver: string,
  request: IncomingMessage,
  body: Buffer,
  response: ServerResponse,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const { connection: _, host: __, ...headers } = request.headers;
    send(
      new URL(request.url ?? "/", receiver),
      { method: request.method ?? "POST", headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, { "content-type": "application/json" });
        answer.pipe(response);
        answer.once("end", resolve);
      },
    )
      .once("error", reject)
      .end(body);
  });
}

/** The items of a Sentry envelope (https://develop.sentry.dev/sdk/data-model/envelopes/). */
export function envelopeItems(
  body: Buffer,
): readonly { readonly type: string; readonly payload: Readonly<Record<string, unknown>> }[] {
  const lines = body
    .toString()
    .split("\n")
    .slice(1)
    .filter((line) => line !== "");
  const items = [];
  for (let index = 0; index + 1 < lines.length; index += 2) {
    const { type } = JSON.parse(lines[index] ?? "{}") as { readonly type: string };
    items.push({ type, payload: JSON.parse(lines[index + 1] ?? "{}") });
  }
  return items;
}
