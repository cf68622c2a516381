import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { S3Error } from "./s3-error.ts";

/** A request as everything after the socket sees it. */
export interface S3Request {
  readonly method: string;
  /** Decoded once. */
  readonly path: string;
  /** Empty: the service itself. */
  readonly bucket: string;
  /** Empty: the bucket itself. */
  readonly key: string;
  /** Decoded, in the order sent. */
  readonly pairs: readonly (readonly [name: string, value: string])[];
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Buffer>;
}

const longestKey = 1024;

/**
 * Path-style only: `/bucket/key`.
 * @throws S3Error `InvalidURI` or `KeyTooLongError`.
 */
export function readRequest(message: IncomingMessage): S3Request {
  const [rawPath = "/", ...rest] = (message.url ?? "/").split("?");
  const path = decoded(rawPath);
  const slash = path.indexOf("/", 1);
  const bucket = slash < 0 ? path.slice(1) : path.slice(1, slash);
  const key = slash < 0 ? "" : path.slice(slash + 1);
  if (Buffer.byteLength(key) > longestKey) throw new S3Error("KeyTooLongError");
  return {
    method: message.method ?? "GET",
    path,
    bucket,
    key,
    pairs: rest
      .join("?")
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => {
        const equals = pair.indexOf("=");
        return equals < 0
          ? ([decoded(plus(pair)), ""] as const)
          : ([
              decoded(plus(pair.slice(0, equals))),
              decoded(plus(pair.slice(equals + 1))),
            ] as const);
      }),
    headers: message.headers,
    body: message,
  };
}

const plus = (text: string): string => text.replaceAll("+", "%20");

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error("InvalidURI");
  }
}

/** First value of a query parameter; undefined when it is not there. */
export const queryOf = ({ pairs }: S3Request, name: string): string | undefined =>
  pairs.find(([candidate]) => candidate === name)?.[1];

/** A header with one value; several are joined as HTTP does. */
export function headerOf(
  { headers }: Pick<S3Request, "headers">,
  name: string,
): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(",") : value;
}

/**
 * A whole number in a query or header.
 * @throws S3Error `InvalidArgument`.
 */
export function wholeNumber(value: string, name: string, max: number): number {
  if (!/^\d{1,10}$/.test(value) || Number(value) > max) {
    throw new S3Error("InvalidArgument", `${name} must be a whole number up to ${max}.`);
  }
  return Number(value);
}
