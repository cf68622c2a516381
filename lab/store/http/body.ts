import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { Refusal } from "./refusal.ts";

/** Limits of what one request may send. The inflated size is the Collector's default. */
export interface BodyLimits {
  readonly wireBytes: number;
  readonly inflatedBytes: number;
  readonly readDeadlineMs: number;
  /** All bodies being read at one time, together. */
  readonly inFlightBytes: number;
}
export const defaultLimits: BodyLimits = {
  wireBytes: 8 * 1024 * 1024,
  inflatedBytes: 20 * 1024 * 1024,
  readDeadlineMs: 10_000,
  inFlightBytes: 64 * 1024 * 1024,
};

const inflate = promisify(gunzip);

/** Reads bodies within the limits; counts over all requests what is being read. */
export type BodyReader = (request: IncomingMessage) => Promise<Buffer>;

export function bodyReader(limits: BodyLimits): BodyReader {
  let inFlight = 0;
  return async (request) => {
    const encoding = (request.headers["content-encoding"] ?? "identity").trim().toLowerCase();
    if (encoding !== "identity" && encoding !== "gzip")
      throw new Refusal(415, "content_encoding", "This content encoding is not understood.", {
        hint: "Send the body as it is, or with Content-Encoding: gzip.",
      });
    if (Number(request.headers["content-length"] ?? 0) > limits.wireBytes) throw tooLarge(limits);
    const counted = { bytes: 0 };
    try {
      const body = await readAll(request, limits, (more) => {
        counted.bytes += more;
        inFlight += more;
        if (inFlight > limits.inFlightBytes) throw busy();
      });
      if (encoding === "identity") return body;
      return await inflate(body, { maxOutputLength: limits.inflatedBytes });
    } catch (error) {
      throw asRefusal(error, limits);
    } finally {
      inFlight -= counted.bytes;
    }
  };
}

async function readAll(
  request: IncomingMessage,
  limits: BodyLimits,
  count: (more: number) => void,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const parts: Buffer[] = [];
  let bytes = 0;
  const deadline = setTimeout(() => reject(tooSlow()), limits.readDeadlineMs);
  request.on("data", (part: Buffer) => {
    bytes += part.length;
    try {
      if (bytes > limits.wireBytes) throw tooLarge(limits);
      count(part.length);
      parts.push(part);
    } catch (error) {
      reject(error as Error);
    }
  });
  request.on("end", () =>
    resolve(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)),
  );
  request.on("error", reject);
  request.on("close", () => reject(new Error("the sender went away")));
  try {
    return await promise;
  } finally {
    clearTimeout(deadline);
    request.removeAllListeners("data");
    request.on("error", () => undefined);
  }
}

function asRefusal(error: unknown, limits: BodyLimits): unknown {
  if (error instanceof Refusal) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  if (code === "ERR_BUFFER_TOO_LARGE") return tooLarge(limits);
  if (code.startsWith("Z_"))
    return new Refusal(400, "bad_gzip", "The body is not whole gzip data.", {
      hint: "Send the complete gzip stream, or leave Content-Encoding away.",
    });
  return error;
}

const tooLarge = (limits: BodyLimits): Refusal =>
  new Refusal(413, "too_large", "The body is larger than this endpoint takes.", {
    hint: `Send smaller batches: at most ${limits.wireBytes} bytes on the wire and ${limits.inflatedBytes} inflated.`,
  });
const tooSlow = (): Refusal =>
  new Refusal(408, "too_slow", "The body did not arrive in time.", {
    hint: "Send the whole request within ten seconds.",
  });
const busy = (): Refusal =>
  new Refusal(429, "busy", "Too much is being sent at the same time.", {
    hint: "Try again after the time in Retry-After.",
    retryAfterSeconds: 1,
  });
