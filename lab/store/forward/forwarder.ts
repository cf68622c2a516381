import type { IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { http } from "#lab/node-http.ts";
import type { ForwardingStats } from "../contract.ts";
import type { SentryProject } from "./dsn.ts";
import { outgoingEnvelope } from "./outgoing-envelope.ts";
import { categoryOf, type RateLimits, rateLimits } from "./rate-limits.ts";

/**
 * Sends copies of what the store has kept on to a Sentry project. Nothing waits for it: what does
 * not fit the queue, meets a rate limit or fails is dropped and counted, and never sent again.
 */
export interface Forwarder {
  /** An accepted envelope, as received. */
  readonly envelope: (bytes: Buffer) => void;
  /** An accepted `ExportTraceServiceRequest`, as protobuf. */
  readonly spans: (bytes: Buffer) => void;
  readonly stats: () => ForwardingStats;
  /** Sends what waits for `graceMs` at most, and drops the rest. */
  readonly close: (graceMs: number) => Promise<void>;
}

export interface ForwarderOptions {
  readonly project: SentryProject;
  readonly now?: () => number;
  /** For one request as a whole. */
  readonly timeoutMs?: number;
}

type Kind = "envelope" | "spans";
interface Waiting {
  readonly kind: Kind;
  readonly bytes: Buffer;
}

/** What may wait or be under way at a time. */
export const queueLimits = { requests: 64, bytes: 8 * 1024 * 1024 } as const;
const sendsAtOnce = 2;
const answerWithinMs = 10_000;
const client = "observability-lab/0.1.0";

export function openForwarder(options: ForwarderOptions): Forwarder {
  const { project, now = Date.now, timeoutMs = answerWithinMs } = options;
  const secure = project.envelopeUrl.protocol === "https:";
  const agent = new (secure ? HttpsAgent : http.Agent)({ keepAlive: true });
  const limits: RateLimits = rateLimits();
  const dropped = new Map<string, number>();
  const waiting: Waiting[] = [];
  const closing = new AbortController();
  let active = 0;
  let bytes = 0;
  let sent = 0;
  let isClosed = false;
  let onIdle: () => void = () => undefined;

  function drop(reason: string, count = 1): void {
    dropped.set(reason, (dropped.get(reason) ?? 0) + count);
  }

  function add(kind: Kind, body: Buffer): void {
    const isFull =
      waiting.length + active >= queueLimits.requests || bytes + body.length > queueLimits.bytes;
    if (isClosed || isFull) {
      drop(isClosed ? "store stopped" : "queue full");
      return;
    }
    bytes += body.length;
    waiting.push({ kind, bytes: body });
    // The sender of the data gets its answer first.
    setImmediate(next);
  }

  function next(): void {
    while (active < sendsAtOnce) {
      const item = waiting.shift();
      if (item === undefined) break;
      active++;
      void forward(item).finally(() => {
        active--;
        bytes -= item.bytes.length;
        next();
      });
    }
    if (active === 0) onIdle();
  }

  /** Never rejects. */
  async function forward({ kind, bytes: received }: Waiting): Promise<void> {
    try {
      const body = allowed(kind, received);
      if (body === undefined) return;
      const url = kind === "spans" ? project.tracesUrl : project.envelopeUrl;
      const answer = await post(url, contentTypes[kind], body);
      const { statusCode: status = 0, headers } = answer;
      const rateLimitsHeader = headers["x-sentry-rate-limits"];
      const retryAfter = headers["retry-after"];
      limits.learn({ status, rateLimits: rateLimitsHeader?.toString(), retryAfter }, now());
      if (status >= 200 && status < 300) sent++;
      else if (status === 429) drop("rate limited");
      else if (status >= 300 && status < 400) drop("redirected");
      else drop(`refused: ${status}`);
    } catch (error) {
      drop(reasonOf(error));
    }
  }

  /** What may be sent now; decided late, since a limit may have come while this waited. */
  function allowed(kind: Kind, received: Buffer): Buffer | undefined {
    const passes = (category: string): boolean => !limits.isLimited(category, now());
    if (kind === "spans") {
      if (passes("span")) return received;
      drop("rate limited");
      return undefined;
    }
    const { body, left } = outgoingEnvelope(received, project, (type) => passes(categoryOf(type)));
    if (left > 0) drop("rate limited", left);
    return body;
  }

  async function post(url: URL, contentType: string, body: Buffer): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = (secure ? httpsRequest : http.request)(url, {
      agent,
      method: "POST",
      signal: AbortSignal.any([closing.signal, AbortSignal.timeout(timeoutMs)]),
      headers: {
        "content-type": contentType,
        "content-length": body.length,
        "user-agent": client,
        "x-sentry-auth": `Sentry sentry_version=7, sentry_key=${project.publicKey}, sentry_client=${client}`,
      },
    });
    outgoing.on("error", reject);
    outgoing.on("response", (response) => {
      // Read to its end, so that the connection can be used again; an endless one meets the timeout.
      response
        .on("error", reject)
        .on("end", () => resolve(response))
        .resume();
    });
    outgoing.end(body);
    return promise;
  }

  return {
    envelope: (body) => add("envelope", body),
    spans: (body) => add("spans", body),
    stats: () => ({ sent, waiting: waiting.length + active, dropped: Object.fromEntries(dropped) }),
    close: async (graceMs) => {
      isClosed = true;
      const idle = Promise.withResolvers<void>();
      onIdle = idle.resolve;
      const end = setTimeout(() => {
        drop("store stopped", waiting.splice(0).length);
        closing.abort();
      }, graceMs);
      next();
      await idle.promise;
      clearTimeout(end);
      agent.destroy();
    },
  };
}

const contentTypes: Readonly<Record<Kind, string>> = {
  envelope: "application/x-sentry-envelope",
  spans: "application/x-protobuf",
};

function reasonOf(error: unknown): string {
  const { name, cause, code } = error as Error & { readonly code?: string };
  if (name !== "AbortError") return code === undefined ? "not sendable" : `unreachable: ${code}`;
  return (cause as Error | undefined)?.name === "TimeoutError"
    ? "no answer in time"
    : "store stopped";
}
