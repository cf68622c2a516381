import type { IncomingMessage } from "node:http";
import type { RequestFacts } from "./guard.ts";

/**
 * Every value of a header in order of arrival. `request.headers` will not do: Node silently drops
 * the second `Host`, and an attacker's proxy may have routed by it.
 */
export function valuesOf(request: IncomingMessage, name: string): readonly string[] {
  const { rawHeaders } = request;
  const values: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() === name) values.push(rawHeaders[i + 1] ?? "");
  }
  return values;
}

/** The part of a request the guard decides on. */
export const factsOf = (request: IncomingMessage): RequestFacts => ({
  method: request.method ?? "",
  target: request.url ?? "",
  host: valuesOf(request, "host"),
  origin: valuesOf(request, "origin"),
  secFetchSite: valuesOf(request, "sec-fetch-site"),
  secFetchDest: request.headers["sec-fetch-dest"] as string | undefined,
  contentType: request.headers["content-type"],
  contentLength: request.headers["content-length"],
  csrf: request.headers["x-lab-csrf"] as string | undefined,
  upgrade: request.headers.upgrade !== undefined,
});
