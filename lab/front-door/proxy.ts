import {
  Agent,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import { pipeline } from "node:stream";
import { answerError, drain, type HeaderPairs, headersWith, type Trouble } from "./answer.ts";
import { tooLarge } from "./guard.ts";
import { gateCookie } from "./token-gate.ts";

/** Where a request goes and what is said when it cannot. */
export interface Upstream {
  /** Base URL, e.g. `http://127.0.0.1:20412`; undefined while the service has none. */
  readonly base: string | undefined;
  /** Path and query at the upstream. */
  readonly target: string;
  /** Set on the way in, whatever the client sent under these names. */
  readonly headers: HeaderPairs;
  /** Lower-case names of headers that were meant for the door. */
  readonly withheld?: readonly string[];
  /** Bytes the request body may have. */
  readonly bodyLimit: number;
  /** 503: nothing listens. */
  readonly absent: Trouble;
  /** 502: it took the request and broke off before it answered. */
  readonly broken: Trouble;
}

/** https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const hopByHop = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
/** What a client must not be able to say to the services behind: who let it in, and for whom it speaks. */
const spoofable = /^(?:x-lab-door|x-forwarded-.*|forwarded|x-real-ip)$/;
/** The front door's own answer is the one that counts. */
const replaced = new Set([
  "x-lab-door",
  "x-powered-by",
  "cache-control",
  "content-security-policy",
  "x-content-type-options",
  "referrer-policy",
  "cross-origin-opener-policy",
  "cross-origin-resource-policy",
]);

export interface Proxy {
  readonly forward: (request: IncomingMessage, response: ServerResponse, to: Upstream) => void;
  readonly close: () => void;
}

/** Streams requests to a service on loopback and its answers back. Holds the connections. */
export function openProxy(): Proxy {
  const kept = new Agent({ keepAlive: true, maxFreeSockets: 16, scheduling: "lifo" });
  // A kept connection may be dead without our knowing. A read is simply sent again; a write that
  // failed on one may have had its effect, so each write gets a connection of its own.
  const fresh = new Agent({ keepAlive: false });

  function forward(request: IncomingMessage, response: ServerResponse, to: Upstream): void {
    if (to.base === undefined) {
      refuseAbsent(request, response, to);
      return;
    }
    const repeatable =
      (request.method === "GET" || request.method === "HEAD") && !announcesBody(request);
    send(request, response, to, to.base, repeatable);
  }

  function send(
    request: IncomingMessage,
    response: ServerResponse,
    to: Upstream,
    base: string,
    repeatable: boolean,
  ): void {
    const { hostname, port } = new URL(base);
    const outgoing = httpRequest({
      hostname,
      port,
      method: request.method ?? "GET",
      path: to.target,
      headers: inboundHeaders(request, to),
      agent: repeatable ? kept : fresh,
    });
    outgoing.once("response", (incoming) => {
      response.writeHead(incoming.statusCode ?? 502, outboundHeaders(incoming));
      // A broken upstream breaks the client's stream too: half an answer must not look whole.
      pipeline(incoming, response, () => {});
    });
    // More than one may come: a reset read, then a failed write. Any without a listener ends the lab.
    outgoing.on("error", (error: NodeJS.ErrnoException) => {
      if (response.headersSent || response.destroyed) {
        if (!response.writableEnded) response.destroy();
      } else if (repeatable && outgoing.reusedSocket && error.code === "ECONNRESET") {
        send(request, response, to, base, repeatable);
      } else if (error.code === "ECONNREFUSED") {
        refuseAbsent(request, response, to);
      } else {
        drain(request);
        answerError(response, 502, to.broken);
      }
    });
    response.once("close", () => {
      if (!response.writableFinished) outgoing.destroy();
    });
    sendBody(request, response, outgoing, to.bodyLimit);
  }

  return {
    forward,
    close: () => {
      kept.destroy();
      fresh.destroy();
    },
  };
}

function sendBody(
  request: IncomingMessage,
  response: ServerResponse,
  outgoing: ReturnType<typeof httpRequest>,
  limit: number,
): void {
  let seen = 0;
  request.on("data", (chunk: Buffer) => {
    seen += chunk.length;
    if (seen <= limit || response.headersSent) return;
    request.unpipe(outgoing);
    const { status, ...trouble } = tooLarge(limit);
    answerError(response, status, trouble);
    outgoing.destroy();
    drain(request);
  });
  request.pipe(outgoing);
}

function refuseAbsent(request: IncomingMessage, response: ServerResponse, to: Upstream): void {
  drain(request);
  answerError(response, 503, to.absent, [["retry-after", "1"]]);
}

const announcesBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

function inboundHeaders(
  request: IncomingMessage,
  { headers: own, withheld = [] }: Upstream,
): string[] {
  const dropped = new Set([
    ...connectionTokens(request),
    ...own.map(([name]) => name),
    ...withheld,
  ]);
  const kept = pairsOf(request).flatMap(([name, value]) => {
    const lower = name.toLowerCase();
    if (hopByHop.has(lower) || dropped.has(lower) || spoofable.test(lower)) return [];
    return lower === "cookie" ? cookieWithoutGate(name, value) : [name, value];
  });
  // The framing is ours on this hop; without it Node would send a chunked DELETE without a body.
  const framing = request.headers["transfer-encoding"] ? ["transfer-encoding", "chunked"] : [];
  return [...kept, ...own.flat(), ...framing];
}

/** The door's own cookie stops here: behind it, headers may be recorded. */
function cookieWithoutGate(name: string, value: string): string[] {
  const kept = value.split(/;\s*/).filter((pair) => !gateCookie.test(pair));
  return kept.length === 0 ? [] : [name, kept.join("; ")];
}

function outboundHeaders(incoming: IncomingMessage): string[] {
  const dropped = connectionTokens(incoming);
  return headersWith(
    pairsOf(incoming).filter(([name]) => {
      const lower = name.toLowerCase();
      return !hopByHop.has(lower) && !replaced.has(lower) && !dropped.has(lower);
    }),
  );
}

/** Headers that the sender declared to be for this hop only. */
const connectionTokens = (message: IncomingMessage): Set<string> =>
  new Set((message.headers.connection ?? "").split(",").map((token) => token.trim().toLowerCase()));

function pairsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  return Array.from({ length: rawHeaders.length / 2 }, (_, i) => [
    rawHeaders[2 * i] ?? "",
    rawHeaders[2 * i + 1] ?? "",
  ]);
}
