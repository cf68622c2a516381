import type { IncomingMessage, ServerResponse } from "node:http";
import type { LabEvent } from "../api/events.ts";
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

/** Leaves out telemetry of others; what is no telemetry always passes. */
export interface TelemetryFilter {
  readonly trace?: string | undefined;
  readonly run?: string | undefined;
}

interface Message {
  readonly bytes: Buffer;
  /** Trace and run of telemetry. */
  readonly of: { readonly traceId: string; readonly runId: string | null } | undefined;
}

export interface EventHub {
  readonly publish: (event: LabEvent) => void;
  /** Turns the request into a stream of server-sent events: all, or the telemetry of one trace or run only. */
  readonly serve: (
    request: IncomingMessage,
    response: ServerResponse,
    filter?: TelemetryFilter,
  ) => void;
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
  const ring: (Message & { readonly seq: number })[] = [];
  let ringFill = 0;
  const clients = new Map<ServerResponse, TelemetryFilter>();
  const heartbeat = setInterval(() => {
    for (const client of clients.keys()) write(client, beat);
  }, heartbeatMs).unref();

  function write(client: ServerResponse, bytes: Buffer): void {
    client.write(bytes);
    if (client.writableLength > clientBufferBytes) client.destroy();
  }

  function publish(event: LabEvent): void {
    seq += 1;
    const bytes = Buffer.from(`id: ${seq}\ndata: ${JSON.stringify(event)}\n\n`);
    const message = { bytes, of: event.type === "telemetry" ? event : undefined };
    ring.push({ seq, ...message });
    ringFill += bytes.length;
    while (ring.length > ringLength || ringFill > ringBytes) {
      ringFill -= ring.shift()?.bytes.length ?? 0;
    }
    for (const [client, filter] of clients) if (passes(message, filter)) write(client, bytes);
  }

  /** What this client missed. The bare id at the end gives even a client that saw nothing a place to resume from. */
  function opening(lastEventId: string | undefined, filter: TelemetryFilter): Buffer {
    const here = Buffer.from(`retry: 500\nid: ${seq}\n\n`);
    if (lastEventId === undefined) return here;
    const last = Number(lastEventId);
    const oldest = ring[0]?.seq ?? seq + 1;
    if (!Number.isSafeInteger(last) || last < oldest - 1 || last > seq) {
      return Buffer.concat([resync, here]);
    }
    const missed = ring.filter((entry) => entry.seq > last && passes(entry, filter));
    return Buffer.concat([...missed.map((entry) => entry.bytes), here]);
  }

  function serve(
    request: IncomingMessage,
    response: ServerResponse,
    filter: TelemetryFilter = {},
  ): void {
    response.writeHead(200, headersWith([["content-type", "text/event-stream; charset=utf-8"]]));
    if (request.method === "HEAD") {
      response.end();
      return;
    }
    response.once("close", () => clients.delete(response));
    response.on("error", () => response.destroy());
    clients.set(response, filter);
    const given = request.headers["last-event-id"];
    write(response, opening(typeof given === "string" ? given : undefined, filter));
  }

  return {
    publish,
    serve,
    clients: () => clients.size,
    close: () => {
      clearInterval(heartbeat);
      for (const client of clients.keys()) client.end();
      clients.clear();
    },
  };
}

const passes = ({ of }: Message, { trace, run }: TelemetryFilter): boolean =>
  of === undefined ||
  ((trace === undefined || of.traceId === trace) && (run === undefined || of.runId === run));
