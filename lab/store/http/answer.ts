import type { ServerResponse } from "node:http";
import type { ErrorBody } from "#lab/api/error.ts";
import type { Refusal } from "./refusal.ts";

export type Headers = Readonly<Record<string, string | number>>;

/** Ends the response. Nothing the store says is to be cached or guessed at. */
export function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  headers: Headers = {},
): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(body);
}

export const sendJson = (response: ServerResponse, body: unknown, status = 200): void =>
  send(response, status, "application/json", JSON.stringify(body));

export function sendRefusal(response: ServerResponse, refusal: Refusal): void {
  const body: ErrorBody = {
    error: { code: refusal.code, message: refusal.message, hint: refusal.hint },
  };
  send(response, refusal.status, "application/json", JSON.stringify(body), refusalHeaders(refusal));
}

/** `Retry-After`, and the end of a connection whose body was not read to its end. */
export function refusalHeaders({ status, retryAfterSeconds }: Refusal): Headers {
  return {
    ...(retryAfterSeconds === undefined ? {} : { "retry-after": retryAfterSeconds }),
    ...(status === 413 || status === 408 || status === 429 ? { connection: "close" } : {}),
  };
}

/** A refusal as Tempo words its own, plain text: Grafana shows it to whoever asked. */
export const sendTempoRefusal = (response: ServerResponse, refusal: Refusal): void =>
  send(
    response,
    refusal.status,
    "text/plain; charset=utf-8",
    `${refusal.message}\n${refusal.hint}\n`,
    refusalHeaders(refusal),
  );
