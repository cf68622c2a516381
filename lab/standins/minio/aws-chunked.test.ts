import { createHash, createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { unframed } from "./aws-chunked.ts";
import type { SignatureChain } from "./signature.ts";

const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
const chain: SignatureChain = {
  ...{ seed: "5eed", date: "20260101T000000Z", scope: "20260101/us-east-1/s3/aws4_request" },
  sign: (text) => createHmac("sha256", "key").update(text).digest("hex"),
};

/** A body as a signing client frames it. */
function framed(chunks: readonly string[], trailer?: readonly [string, string]): string {
  let previous = chain.seed;
  const pieces = [...chunks, ""].map((chunk) => {
    const head = `AWS4-HMAC-SHA256-PAYLOAD\n${chain.date}\n${chain.scope}\n${previous}\n`;
    previous = chain.sign(`${head}${hash("")}\n${hash(chunk)}`);
    const line = `${chunk.length.toString(16)};chunk-signature=${previous}\r\n`;
    return chunk === "" ? line : `${line}${chunk}\r\n`;
  });
  if (trailer === undefined) return `${pieces.join("")}\r\n`;
  const signature = chain.sign(
    `AWS4-HMAC-SHA256-TRAILER\n${chain.date}\n${chain.scope}\n${previous}\n${hash(`${trailer.join(":")}\n`)}`,
  );
  return `${pieces.join("")}${trailer.join(":")}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`;
}

async function read(text: string, step: number): Promise<readonly [string, object]> {
  async function* source() {
    for (let at = 0; at < text.length; at += step) yield Buffer.from(text.slice(at, at + step));
  }
  let trailers = {};
  let body = "";
  for await (const piece of unframed(source(), chain, (found) => {
    trailers = Object.fromEntries(found);
  })) {
    body += piece;
  }
  return [body, trailers];
}

test.each([1, 2, 7, 1000])("reads signed chunks that arrive %d bytes at a time", async (step) => {
  const [body, trailers] = await read(
    framed(["hello ", "world"], ["x-amz-checksum-crc32", "AA=="]),
    step,
  );
  expect(body).toBe("hello world");
  expect(trailers).toMatchObject({ "x-amz-checksum-crc32": "AA==" });
});

test.each([
  ["a changed chunk", (text: string) => text.replace("hello", "jello")],
  [
    "chunks in another order",
    (text: string) => text.replace("hello ", "WORLD!").replace("world!", "hello "),
  ],
  ["a changed trailer", (text: string) => text.replace("AA==", "BB==")],
  ["a chunk without signature", (text: string) => text.replace(/;chunk-signature=\w+/, "")],
])("refuses %s", async (_what, change) => {
  const text = change(framed(["hello ", "world!"], ["x-amz-checksum-crc32", "AA=="]));
  await expect(read(text, 1000)).rejects.toMatchObject({ code: "SignatureDoesNotMatch" });
});

test.each([
  ["an end before the last chunk", (text: string) => text.slice(0, 150)],
  ["a size that is none", (text: string) => `x${text}`],
  ["bytes behind a chunk", (text: string) => text.replace("hello ", "hello there ")],
  ["a line without end", () => "1".repeat(10_000)],
])("refuses %s", async (_what, change) => {
  await expect(read(change(framed(["hello ", "world!"])), 64)).rejects.toMatchObject({
    code: "IncompleteBody",
  });
});
