import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { S3Error } from "./s3-error.ts";

/** Checksums that S3 takes besides MD5 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html). */
export const checksumAlgorithms = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

/** A checksum as it travels: base64 of the bytes, big end first. */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
}

/** Fed piece by piece; `digest` ends it. */
export interface Digester {
  readonly update: (piece: Buffer) => void;
  readonly digest: () => string;
}

export function digester(algorithm: ChecksumAlgorithm): Digester {
  switch (algorithm) {
    case "crc32":
      return crc((piece, value) => crc32(piece, value));
    case "crc32c":
      return crc(crc32c);
    case "crc64nvme":
      return crc64();
    case "sha1":
    case "sha256": {
      const hash = createHash(algorithm);
      return { update: (piece) => void hash.update(piece), digest: () => hash.digest("base64") };
    }
  }
}

/** @throws S3Error `InvalidRequest` for a name S3 does not know. */
export function checksumAlgorithm(name: string): ChecksumAlgorithm {
  const found = checksumAlgorithms.find((algorithm) => algorithm === name.toLowerCase());
  if (found === undefined) {
    throw new S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.");
  }
  return found;
}

function crc(next: (piece: Buffer, value: number) => number): Digester {
  let value = 0;
  return {
    update(piece) {
      value = next(piece, value);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value);
      return bytes.toString("base64");
    },
  };
}

/** Castagnoli's polynomial, reflected. */
const crc32cTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

function crc32c(piece: Buffer, from: number): number {
  let value = ~from;
  for (const byte of piece) value = (crc32cTable[(value ^ byte) & 255] as number) ^ (value >>> 8);
  return ~value >>> 0;
}

/** The NVMe polynomial, reflected, as two halves: BigInt would take ten times as long. */
const crc64Tables = (() => {
  const high = new Uint32Array(256);
  const low = new Uint32Array(256);
  for (let index = 0; index < 256; index++) {
    let value = BigInt(index);
    for (let bit = 0; bit < 8; bit++) {
      value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
    }
    high[index] = Number(value >> 32n);
    low[index] = Number(value & 0xffffffffn);
  }
  return { high, low };
})();

function crc64(): Digester {
  let high = 0xffffffff;
  let low = 0xffffffff;
  return {
    update(piece) {
      for (const byte of piece) {
        const index = (low ^ byte) & 255;
        low = ((low >>> 8) | (high << 24)) ^ (crc64Tables.low[index] as number);
        high = (high >>> 8) ^ (crc64Tables.high[index] as number);
      }
    },
    digest() {
      const bytes = Buffer.alloc(8);
      bytes.writeUInt32BE(~high >>> 0);
      bytes.writeUInt32BE(~low >>> 0, 4);
      return bytes.toString("base64");
    },
  };
}
