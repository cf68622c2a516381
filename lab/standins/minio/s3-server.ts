import { randomBytes } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline } from "node:stream/promises";
import { http } from "#lab/node-http.ts";
import { admitsToken } from "./access-token.ts";
import { operationOf } from "./api-routes.ts";
import type { Answer } from "./call.ts";
import { corsHeaders } from "./cors.ts";
import { readRequest, type S3Request } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import { openMetrics } from "./s3-metrics.ts";
import { type Account, authorise } from "./signature.ts";
import { type Limits, openStorage } from "./storage.ts";
import { openThrottle } from "./throttle.ts";
import { errorDocument } from "./xml.ts";

export interface S3ServerOptions {
  /** 0 takes any that is free. */
  readonly port: number;
  /** Existing folder that keeps everything. */
  readonly dir: string;
  readonly account: Account;
  /** Pages of this origin may read answers; no others. */
  readonly allowedOrigin: string;
  readonly limits?: Partial<Limits>;
  readonly now?: () => number;
  readonly onDamage?: (path: string) => void;
  readonly onError?: (error: unknown) => void;
}
export interface S3Server {
  readonly port: number;
  /** Ends connections; answers under way get a moment. */
  readonly close: () => Promise<void>;
}

export const defaultLimits: Limits = {
  objectBytes: 512 * 1024 * 1024,
  totalBytes: 2 * 1024 * 1024 * 1024,
  keys: 50_000,
  uploads: 1000,
};
/** Paths of the server itself. No bucket can have these names. */
export const adminPaths = {
  live: "/minio/health/live",
  ready: "/minio/health/ready",
  metrics: "/minio/metrics/v3/api",
  throttle: "/.lab/throttle",
} as const;
/** Who may call what, as tokens name it. */
export const tokenIssuers = { metrics: "prometheus", throttle: "lab" } as const;

const idleSocketMs = 60_000;
const closeWithinMs = 500;
const largestRule = 4096;

/** Object storage with S3's API over files. It never answers outside loopback. */
export async function openS3Server(options: S3ServerOptions): Promise<S3Server> {
  const now = options.now ?? Date.now;
  const storage = await openStorage(
    options.dir,
    { ...defaultLimits, ...options.limits },
    options.onDamage ?? (() => {}),
  );
  const metrics = openMetrics();
  const throttle = openThrottle(now);

  async function onRequest(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = message.url?.split("?")[0] ?? "/";
    if (path.startsWith("/minio/") || path.startsWith("/.lab/")) {
      await admin(path, message, response);
      return;
    }
    const requestId = randomBytes(8).toString("hex").toUpperCase();
    let api = "unknown";
    let request: S3Request | undefined;
    let badTime = false;
    metrics.begin();
    response.once("close", () =>
      metrics.end({
        ...{ api, status: response.statusCode, badTime },
        sent: Number(response.getHeader("content-length") ?? 0),
        received: Number(message.headers["content-length"] ?? 0),
      }),
    );
    try {
      request = readRequest(message);
      if (request.method === "OPTIONS") {
        api = "preflight";
        await send(message, response, preflight(request), requestId);
        return;
      }
      const operation = operationOf(request);
      // As MinIO labels it.
      api = operation.name;
      const authorised = authorise(request, options.account, now());
      if (throttle.refuses(request)) throw new S3Error("SlowDown");
      if (message.headers.expect === "100-continue") response.writeContinue();
      const answer = await operation.handle({
        ...{ request, authorised, storage, now },
        region: options.account.region,
      });
      await send(
        message,
        response,
        { ...answer, headers: { ...cors(request), ...answer.headers } },
        requestId,
      );
    } catch (error) {
      badTime = error instanceof S3Error && error.code === "RequestTimeTooSkewed";
      await refuse(error, message, response, requestId, request);
    }
  }

  const rulesOf = (bucket: string) =>
    storage.buckets().find(({ settings }) => settings.name === bucket)?.settings.cors ?? [];
  const cors = ({ headers, bucket, method }: S3Request): Answer["headers"] =>
    corsHeaders(headers, { allowedOrigin: options.allowedOrigin, rules: rulesOf(bucket), method });

  function preflight({ headers, bucket }: S3Request): Answer {
    const method = headers["access-control-request-method"];
    if (headers.origin === undefined || typeof method !== "string") {
      throw new S3Error(
        "InvalidRequest",
        "Insufficient information. Origin request header needed.",
      );
    }
    const allowed = corsHeaders(headers, {
      allowedOrigin: options.allowedOrigin,
      rules: rulesOf(bucket),
      method,
    });
    if (allowed === undefined) {
      throw new S3Error("AccessDenied", "CORSResponse: This CORS request is not allowed.");
    }
    return { status: 200, headers: allowed };
  }

  async function refuse(
    error: unknown,
    message: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    request: S3Request | undefined,
  ): Promise<void> {
    if (response.headersSent || (message.destroyed && !message.complete)) {
      response.destroy();
      return;
    }
    if (!(error instanceof S3Error)) options.onError?.(error);
    const refusal = error instanceof S3Error ? error : new S3Error("InternalError");
    const body = errorDocument({
      ...{ Code: refusal.code, Message: refusal.message },
      BucketName: request?.bucket || undefined,
      Key: request?.key || undefined,
      ...refusal.details,
      Resource: request?.path ?? "/",
      RequestId: requestId,
      HostId: "lab",
    });
    const answer: Answer = {
      status: refusal.status,
      headers: { ...(request && cors(request)), "content-type": "application/xml" },
      ...(message.method === "HEAD" ? {} : { body }),
    };
    // What still comes of the body would be read as the next request.
    if (!message.complete) response.setHeader("connection", "close");
    await send(message, response, answer, requestId).catch(() => response.destroy());
  }

  async function admin(
    path: string,
    message: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const admits = (issuer: string): boolean =>
      admitsToken(message.headers.authorization, {
        secretKey: options.account.secretKey,
        issuer,
        now: now(),
      });
    const plain = (status: number, body = "", type = "text/plain; charset=utf-8"): void => {
      response.writeHead(status, {
        "content-type": type,
        "content-length": Buffer.byteLength(body),
      });
      response.end(body);
    };
    if (!path.startsWith(adminPaths.throttle)) message.resume();
    if (path === adminPaths.live || path === adminPaths.ready) return plain(200);
    if (path === adminPaths.metrics) {
      if (!admits(tokenIssuers.metrics)) return plain(403);
      const buckets = storage.buckets();
      const objects = buckets.reduce((sum, { keys }) => sum + keys.size, 0);
      return plain(
        200,
        metrics.text({ bytes: storage.data.bytes(), objects, buckets: buckets.length }),
        "text/plain; version=0.0.4; charset=utf-8",
      );
    }
    const [, runId] = /^\/\.lab\/throttle(?:\/(\w+))?$/.exec(path) ?? [];
    if (!path.startsWith(adminPaths.throttle)) return plain(404);
    if (!admits(tokenIssuers.throttle)) return plain(403);
    if (message.method === "DELETE" && runId !== undefined) {
      throttle.disarm(runId);
      return plain(204);
    }
    if (message.method !== "PUT" || runId !== undefined) return plain(405);
    return plain(throttle.arm(await readRule(message)) ? 204 : 400);
  }

  const server = http.createServer({
    requestTimeout: 300_000,
    headersTimeout: 15_000,
    keepAliveTimeout: 10_000,
  });
  server.timeout = idleSocketMs;
  server.on("request", (message, response) => {
    onRequest(message, response).catch((error) => {
      options.onError?.(error);
      response.destroy();
    });
  });
  // The handler says it, once the request is known to be allowed.
  server.on("checkContinue", (message, response) => server.emit("request", message, response));
  server.on("clientError", (_error, socket) => {
    if (socket.writable) socket.end("HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n");
  });
  await listen(server, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const cut = setTimeout(() => server.closeAllConnections(), closeWithinMs);
      server.closeIdleConnections();
      await closed;
      clearTimeout(cut);
    },
  };
}

async function send(
  message: IncomingMessage,
  response: ServerResponse,
  { status, headers = {}, body }: Answer,
  requestId: string,
): Promise<void> {
  response.statusCode = status;
  response.setHeader("server", "lab-s3");
  response.setHeader("x-amz-request-id", requestId);
  response.setHeader("x-amz-id-2", "lab");
  // Page scripts of other origins get nothing, images neither: the page's own policy asks for the header.
  response.setHeader("x-content-type-options", "nosniff");
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) response.setHeader(name, headerText(value));
  }
  if (typeof body === "object") {
    await pipeline(body, response);
    return;
  }
  if (!response.hasHeader("content-length") && status !== 204 && status !== 304) {
    response.setHeader("content-length", Buffer.byteLength(body ?? ""));
  }
  response.end(message.method === "HEAD" ? undefined : body);
}

/** What a client stored may hold characters that no header can. */
const headerText = (value: string): string =>
  Buffer.from(value, "utf8")
    .toString("latin1")
    .split("")
    .map((character) => (isControl(character) ? " " : character))
    .join("");
const isControl = (character: string): boolean => character < " " || character === "\x7f";

async function readRule(message: IncomingMessage): Promise<unknown> {
  let text = "";
  try {
    for await (const piece of message) {
      text += piece;
      if (text.length > largestRule) return undefined;
    }
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
}
