import { createHash } from "node:crypto";
import { S3Error } from "./s3-error.ts";
import { type SignatureChain, sameText, sha256 } from "./signature.ts";

const longestLine = 4096;
const largestChunk = 64 * 1024 * 1024;
const nothing = sha256("");

/** Headers that stand behind the last chunk. */
export type Trailers = ReadonlyMap<string, string>;

/**
 * Takes the framing `aws-chunked` off a body as it comes
 * (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html).
 * @param chain given: each chunk and the trailers are signed.
 * @param onEnd gets the trailers when all has been read.
 * @throws S3Error `IncompleteBody`, `SignatureDoesNotMatch`.
 */
export async function* unframed(
  source: AsyncIterable<Buffer>,
  chain: SignatureChain | undefined,
  onEnd: (trailers: Trailers) => void,
): AsyncGenerator<Buffer> {
  const input = reader(source);
  let previous = chain?.seed ?? "";
  for (;;) {
    const [sizeText = "", ...extensions] = (await input.line()).split(";");
    if (!/^[0-9a-f]{1,8}$/i.test(sizeText)) throw new S3Error("IncompleteBody");
    const size = Number.parseInt(sizeText, 16);
    if (size > largestChunk) throw new S3Error("EntityTooLarge");
    const hash = chain && createHash("sha256");
    for (let left = size; left > 0; ) {
      const piece = await input.upTo(left);
      left -= piece.length;
      hash?.update(piece);
      yield piece;
    }
    if (chain && hash) {
      const claimed =
        extensions.find((part) => part.startsWith("chunk-signature="))?.slice(16) ?? "";
      previous = checked(
        claimed,
        chain.sign(
          `AWS4-HMAC-SHA256-PAYLOAD\n${chain.date}\n${chain.scope}\n${previous}\n${nothing}\n${hash.digest("hex")}`,
        ),
      );
    }
    if (size === 0) break;
    if ((await input.line()) !== "") throw new S3Error("IncompleteBody");
  }
  const trailers = new Map<string, string>();
  for (let line = await input.line(true); line !== ""; line = await input.line(true)) {
    const colon = line.indexOf(":");
    if (colon < 1 || trailers.size > 20) throw new S3Error("IncompleteBody");
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const signature = trailers.get("x-amz-trailer-signature");
  if (chain && trailers.size > 0) {
    const signed = [...trailers]
      .filter(([name]) => name !== "x-amz-trailer-signature")
      .map(([name, value]) => `${name}:${value}\n`)
      .join("");
    checked(
      signature ?? "",
      chain.sign(
        `AWS4-HMAC-SHA256-TRAILER\n${chain.date}\n${chain.scope}\n${previous}\n${sha256(signed)}`,
      ),
    );
  }
  onEnd(trailers);
}

function checked(claimed: string, expected: string): string {
  if (!sameText(claimed, expected)) throw new S3Error("SignatureDoesNotMatch");
  return expected;
}

/** Reads lines and counted bytes from pieces that are cut anywhere. */
function reader(source: AsyncIterable<Buffer>) {
  const pieces = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);
  const more = async (): Promise<boolean> => {
    const { done, value } = await pieces.next();
    if (done) return false;
    rest = rest.length === 0 ? value : Buffer.concat([rest, value]);
    return true;
  };
  return {
    /** Without its CR LF; the end of the input ends a line only where it may. */
    async line(mayEnd = false): Promise<string> {
      for (;;) {
        const end = rest.indexOf("\n");
        if (end > longestLine || (end < 0 && rest.length > longestLine)) {
          throw new S3Error("IncompleteBody");
        }
        if (end >= 0) {
          const line = rest.toString("latin1", 0, end).replace(/\r$/, "");
          rest = rest.subarray(end + 1);
          return line;
        }
        if (!(await more())) {
          if (mayEnd && rest.length === 0) return "";
          throw new S3Error("IncompleteBody");
        }
      }
    },
    async upTo(count: number): Promise<Buffer> {
      if (rest.length === 0 && !(await more())) throw new S3Error("IncompleteBody");
      const piece = rest.subarray(0, count);
      rest = rest.subarray(piece.length);
      return piece;
    },
  };
}
