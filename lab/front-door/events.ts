import type { IncomingMessage, ServerResponse } from "node:http";
import type { LabEvent } from "../api.ts";
import { headersWith } from "./answer.ts";

/** Recent messages that a returning client can still be given. */
const ringLength = 1000;
/** Bytes the ring may hold: all of it, sent at once, has to stay below what may wait for a client. */
const ringBytes = 192 * 1024;
/** Bytes that may wait for one slow client; it is dropped beyond and comes back by itself. */
const clientBufferBytes = 256 * 1024;
/** Keeps intermediaries from closing a quiet stream, and finds clients that are gone. */
const usualHeartbeatMs = 15_000;

const beat = Buffer.from(": beat\n\n");
const resync = Buffer.from(`data: ${JSON.stringify({ type: "resync" } satisfies LabEvent)}\n\n`);

export interface EventHub {
  readonly publish: (event: LabEvent) => void;
  /** Turns the request into a stream of server-sent events. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void;
  /** Streams open now. */
  readonly clients: () => number;
  /** Ends every stream. */
  readonly close: () => void;
}

/**
 * Server-sent events with a memory (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 * @param startedAt makes the sequence go on across restarts of the lab: an id from an earlier life
 *   is always older than the ring, never by chance inside it.
 */
export function openEventHub(startedAt: number, heartbeatMs = usualHeartbeatMs): EventHub {
  let seq = startedAt * 1000;
  const ring: { readonly seq: number; readonly bytes: Buffer }[] = [];
  let ringFill = 0;
  const clients = new Set<ServerResponse>();
  const heartbeat = setInterval(() => broadcast(beat), heartbeatMs).unref();

  function broadcast(bytes: Buffer): void {
    for (const client of clients) write(client, bytes);
  }

  function write(client: ServerResponse, bytes: Buffer): void {
    client.write(bytes);
    if (client.writableLength > clientBufferBytes) client.destroy();
  }

  function publish(event: LabEvent): void {
    seq += 1;
    const bytes = Buffer.from(`id: ${seq}\ndata: ${JSON.stringify(event)}\n\n`);
    ring.push({ seq, bytes });
    ringFill += bytes.length;
    while (ring.length > ringLength || ringFill > ringBytes) {
      ringFill -= ring.shift()?.bytes.length ?? 0;
    }
    broadcast(bytes);
  }

  /** What this client missed. The bare id at the end gives even a client that saw nothing a place to resume from. */
  function opening(lastEventId: string | undefined): Buffer {
    const here = Buffer.from(`retry: 500\nid: ${seq}\n\n`);
    if (lastEventId === undefined) return here;
    const last = Number(lastEventId);
    const oldest = ring[0]?.seq ?? seq + 1;
    if (!Number.isSafeInteger(last) || last < oldest - 1 || last > seq) {
      return Buffer.concat([resync, here]);
    }
    const missed = ring.filter((entry) => entry.seq > last).map((entry) => entry.bytes);
    return Buffer.concat([...missed, here]);
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    response.writeHead(200, headersWith([["content-type", "text/event-stream; charset=utf-8"]]));
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    response.once("close", () => clients.delete(response));
    response.on("error", () => response.destroy());
    clients.add(response);
    const given = request.headers["last-event-id"];
    write(response, opening(typeof given === "string" ? given : undefined));
  }

  return {
    publish,
    serve,
    clients: () => clients.size,
    close: () => {
      clearInterval(heartbeat);
      for (const client of clients) client.end();
      clients.clear();
    },
  };
}
