import { createHash } from "node:crypto";
import { type Trailers, unframed } from "./aws-chunked.ts";
import {
  type Checksum,
  type ChecksumAlgorithm,
  checksumAlgorithm,
  checksumAlgorithms,
  digester,
} from "./checksum.ts";
import { headerOf, type S3Request } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import { type Authorised, sameText, unsignedPayload } from "./signature.ts";

/** What is known of a body once all of it has come and every claim about it held. */
export interface Received {
  readonly size: number;
  /** Hexadecimal. */
  readonly md5: string;
  /** The one the client sent or asked for. */
  readonly checksum: Checksum | undefined;
}

/** The bytes a client means, without framing. Read to its end, it has been verified; else it throws. */
export interface Payload {
  readonly chunks: AsyncIterable<Buffer>;
  /** Announced size; undefined when the client sent none. */
  readonly announced: number | undefined;
  /** @throws Error before the end of `chunks`. */
  readonly received: () => Received;
}

/** Where the expected value of a checksum is told. */
interface Claim {
  readonly algorithm: ChecksumAlgorithm;
  /** Undefined: in a trailer, or only asked for. */
  readonly value: string | undefined;
  readonly trailer: boolean;
}

/**
 * @param limit bytes at most.
 * @throws S3Error while it is read, for whatever the client claimed and does not hold.
 */
export function openPayload(
  request: S3Request,
  { payloadHash, chain }: Authorised,
  limit: number,
): Payload {
  const streaming = payloadHash.startsWith("STREAMING-");
  const announcedText = headerOf(
    request,
    streaming ? "x-amz-decoded-content-length" : "content-length",
  );
  if (announcedText === undefined && (streaming || headerOf(request, "transfer-encoding"))) {
    throw new S3Error("MissingContentLength");
  }
  const announced = announcedText === undefined ? undefined : Number(announcedText);
  if (announced !== undefined && !Number.isSafeInteger(announced)) {
    throw new S3Error("InvalidArgument", "The length is not a number.");
  }
  if (announced !== undefined && announced > limit) throw tooLarge(announced, limit);
  const md5Claim = contentMd5(headerOf(request, "content-md5"));
  const claim = checksumClaim(request);
  let trailers: Trailers = new Map();
  let received: Received | undefined;

  const source = (): AsyncIterable<Buffer> => {
    switch (payloadHash) {
      case "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
        return unframed(request.body, undefined, (found) => {
          trailers = found;
        });
      case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD":
      case "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER":
        return unframed(request.body, chain, (found) => {
          trailers = found;
        });
      default:
        return request.body;
    }
  };

  async function* verified(): AsyncGenerator<Buffer> {
    const md5 = createHash("md5");
    const hash = /^[0-9a-f]{64}$/.test(payloadHash) ? createHash("sha256") : undefined;
    if (hash === undefined && !streaming && payloadHash !== unsignedPayload) {
      throw new S3Error(
        "InvalidArgument",
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a hash.",
      );
    }
    const sum = claim && digester(claim.algorithm);
    let size = 0;
    for await (const piece of source()) {
      size += piece.length;
      if (size > limit) throw tooLarge(size, limit);
      md5.update(piece);
      hash?.update(piece);
      sum?.update(piece);
      yield piece;
    }
    if (announced !== undefined && size !== announced) throw new S3Error("IncompleteBody");
    const hex = md5.digest("hex");
    if (hash && !sameText(hash.digest("hex"), payloadHash))
      throw new S3Error("XAmzContentSHA256Mismatch");
    if (md5Claim !== undefined && md5Claim !== hex) throw new S3Error("BadDigest");
    const value = sum?.digest();
    if (claim && value !== undefined) {
      const wanted = claim.trailer
        ? trailers.get(`x-amz-checksum-${claim.algorithm}`)
        : claim.value;
      if (claim.trailer && wanted === undefined) {
        throw new S3Error("InvalidRequest", "The trailer that was announced is missing.");
      }
      if (wanted !== undefined && wanted !== value) {
        throw new S3Error(
          "BadDigest",
          `The ${claim.algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
        );
      }
    }
    received = {
      size,
      md5: hex,
      checksum: claim && value !== undefined ? { algorithm: claim.algorithm, value } : undefined,
    };
  }

  return {
    chunks: verified(),
    announced,
    received() {
      if (received === undefined) throw new Error("the body has not been read to its end");
      return received;
    },
  };
}

/** Reads a whole small document, verified. */
export async function readDocument(request: S3Request, authorised: Authorised): Promise<string> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of openPayload(request, authorised, largestDocument).chunks)
      pieces.push(piece);
  } catch (error) {
    throw error instanceof S3Error && error.code === "EntityTooLarge"
      ? new S3Error("MaxMessageLengthExceeded")
      : error;
  }
  return Buffer.concat(pieces).toString("utf8");
}
/** A thousand keys of a thousand bytes, and their tags. */
const largestDocument = 2 * 1024 * 1024;

const tooLarge = (size: number, limit: number): S3Error =>
  new S3Error("EntityTooLarge", undefined, {
    ProposedSize: String(size),
    MaxSizeAllowed: String(limit),
  });

function contentMd5(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const bytes = Buffer.from(header, "base64");
  if (bytes.length !== 16 || bytes.toString("base64") !== header)
    throw new S3Error("InvalidDigest");
  return bytes.toString("hex");
}

function checksumClaim(request: S3Request): Claim | undefined {
  const sent = checksumAlgorithms.filter(
    (algorithm) => headerOf(request, `x-amz-checksum-${algorithm}`) !== undefined,
  );
  if (sent.length > 1) {
    throw new S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header.");
  }
  const [algorithm] = sent;
  if (algorithm !== undefined) {
    const value = headerOf(request, `x-amz-checksum-${algorithm}`) as string;
    const bytes = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 }[algorithm];
    if (Buffer.from(value, "base64").length !== bytes) {
      throw new S3Error(
        "InvalidRequest",
        `Value for x-amz-checksum-${algorithm} header is invalid.`,
      );
    }
    return { algorithm, value, trailer: false };
  }
  const trailer = /(?:^|,)\s*x-amz-checksum-(\w+)/i.exec(
    headerOf(request, "x-amz-trailer") ?? "",
  )?.[1];
  if (trailer !== undefined) {
    return { algorithm: checksumAlgorithm(trailer), value: undefined, trailer: true };
  }
  const asked = headerOf(request, "x-amz-sdk-checksum-algorithm");
  return asked === undefined
    ? undefined
    : { algorithm: checksumAlgorithm(asked), value: undefined, trailer: false };
}
