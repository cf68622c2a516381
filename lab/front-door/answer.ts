import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorBody } from "../api/error.ts";
import { escapeHtml } from "../escape-html.ts";

const policyName = "content-security-policy";
const strict = "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/**
 * The policy of the page when it may also read from one other origin: presigned links lead to the
 * object storage itself.
 */
export const pagePolicy = (storage: string): readonly [string, string] => [
  policyName,
  `default-src 'self'; connect-src 'self' ${storage}; img-src 'self' ${storage}; ${strict}`,
];

/** On every answer, proxied ones included (https://owasp.org/www-project-secure-headers/). */
const securityHeaders: readonly (readonly [string, string])[] = [
  [policyName, `default-src 'self'; ${strict}`],
  ["x-content-type-options", "nosniff"],
  ["referrer-policy", "no-referrer"],
  ["cross-origin-opener-policy", "same-origin"],
  ["cross-origin-resource-policy", "same-origin"],
];

export type HeaderPairs = readonly (readonly [string, string])[];

/** Headers as `writeHead` wants them; security headers and `no-store` are added unless given. */
export function headersWith(pairs: HeaderPairs): string[] {
  const given = new Set(pairs.map(([name]) => name));
  const added = [...securityHeaders, ["cache-control", "no-store"] as const];
  return [...pairs, ...added.filter(([name]) => !given.has(name))].flat();
}

export function answer(
  response: ServerResponse,
  status: number,
  pairs: HeaderPairs,
  body: string | Buffer = "",
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  response.writeHead(status, headersWith([...pairs, ["content-length", String(bytes.length)]]));
  response.end(bytes);
}

export function answerJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  pairs: HeaderPairs = [],
): void {
  answer(
    response,
    status,
    [["content-type", "application/json; charset=utf-8"], ...pairs],
    JSON.stringify(body),
  );
}

export type Trouble = ErrorBody["error"];

/** The one shape of every error answer. */
export function answerError(
  response: ServerResponse,
  status: number,
  { code, message, hint, traceId }: Trouble,
  pairs: HeaderPairs = [],
): void {
  const error = { code, message, hint, ...(traceId === undefined ? {} : { traceId }) };
  answerJson(response, status, { error }, pairs);
}

/** A small page without style or script: the policy allows neither inline. `refreshSeconds` reloads it. */
export function answerPage(
  response: ServerResponse,
  status: number,
  page: {
    readonly title: string;
    readonly lines: readonly string[];
    readonly detail?: string;
    readonly refreshSeconds?: number;
  },
  pairs: HeaderPairs = [],
): void {
  const refresh =
    page.refreshSeconds === undefined
      ? ""
      : `<meta http-equiv="refresh" content="${page.refreshSeconds}">`;
  const detail = page.detail === undefined ? "" : `<pre>${escapeHtml(page.detail)}</pre>`;
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">${refresh}<title>${escapeHtml(page.title)}</title></head><body><main><h1>${escapeHtml(page.title)}</h1>${page.lines.map((line) => `<p>${escapeHtml(line)}</p>`).join("")}${detail}</main></body></html>\n`;
  answer(response, status, [["content-type", "text/html; charset=utf-8"], ...pairs], html);
}

/** Does a person look at the answer? */
export const wantsPage = (request: IncomingMessage): boolean =>
  request.headers["sec-fetch-dest"] === "document" ||
  (request.headers.accept ?? "").includes("text/html");

/**
 * Lets a sender whose body was refused read the answer: a socket closed with unread bytes resets
 * the connection and takes the answer with it. What still comes is read and thrown away, for 2 s.
 */
export function drain(request: IncomingMessage): void {
  if (request.complete) return;
  request.resume();
  const cut = setTimeout(() => request.socket.destroy(), 2000).unref();
  request.once("close", () => clearTimeout(cut));
}
