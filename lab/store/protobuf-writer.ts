/** Bytes under construction; grows by doubling. */
export interface Writer {
  bytes: Buffer;
  pos: number;
}

export const writer = (capacity = 1024): Writer => ({
  bytes: Buffer.allocUnsafe(capacity),
  pos: 0,
});

/** What has been written. A view: further writing may change it. */
export const written = (w: Writer): Buffer => w.bytes.subarray(0, w.pos);

function reserve(w: Writer, more: number): void {
  if (w.pos + more <= w.bytes.length) return;
  const grown = Buffer.allocUnsafe(Math.max(w.bytes.length * 2, w.pos + more));
  w.bytes.copy(grown, 0, 0, w.pos);
  w.bytes = grown;
}

/** An unsigned integer up to 2^53. */
export function writeVarint(w: Writer, value: number): void {
  reserve(w, 10);
  let rest = value;
  while (rest >= 0x80) {
    w.bytes[w.pos++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  w.bytes[w.pos++] = rest;
}

/** Any 64-bit integer; negative ones take ten bytes, as protobuf wants it. */
export function writeVarint64(w: Writer, value: bigint): void {
  reserve(w, 10);
  let rest = BigInt.asUintN(64, value);
  while (rest >= 0x80n) {
    w.bytes[w.pos++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  w.bytes[w.pos++] = Number(rest);
}

export const writeTag = (w: Writer, field: number, wireType: number): void =>
  writeVarint(w, field * 8 + wireType);

export function writeFixed32(w: Writer, value: number): void {
  reserve(w, 4);
  w.pos = w.bytes.writeUInt32LE(value >>> 0, w.pos);
}

export function writeFixed64(w: Writer, value: bigint): void {
  reserve(w, 8);
  w.pos = w.bytes.writeBigUInt64LE(BigInt.asUintN(64, value), w.pos);
}

export function writeDouble(w: Writer, value: number): void {
  reserve(w, 8);
  w.pos = w.bytes.writeDoubleLE(value, w.pos);
}

/** Bytes as they are, without tag or length. */
export function writeRaw(w: Writer, bytes: Uint8Array): void {
  reserve(w, bytes.length);
  w.bytes.set(bytes, w.pos);
  w.pos += bytes.length;
}

/** A length-delimited field from bytes that are there already. */
export function writeBytes(w: Writer, field: number, bytes: Uint8Array): void {
  writeTag(w, field, 2);
  writeVarint(w, bytes.length);
  writeRaw(w, bytes);
}

export const writeString = (w: Writer, field: number, text: string): void =>
  writeBytes(w, field, Buffer.from(text, "utf8"));

/** A length-delimited field whose content `content` writes; the length is put before it afterwards. */
export function writeMessage(w: Writer, field: number, content: () => void): void {
  writeTag(w, field, 2);
  reserve(w, 1);
  const lengthAt = w.pos++;
  content();
  const length = w.pos - lengthAt - 1;
  if (length < 0x80) {
    w.bytes[lengthAt] = length;
    return;
  }
  const width = length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : length < 0x1000_0000 ? 4 : 5;
  reserve(w, width - 1);
  w.bytes.copyWithin(lengthAt + width, lengthAt + 1, lengthAt + 1 + length);
  w.pos = lengthAt;
  writeVarint(w, length);
  w.pos = lengthAt + width + length;
}
