/**
 * The protobuf wire format, read in place: nothing is copied and no object is made per field.
 * Every read that would leave the message throws {@link MalformedProtobuf}; a caller never gets a
 * value from outside its range. https://protobuf.dev/programming-guides/encoding/
 */
export interface Cursor {
  readonly bytes: Uint8Array;
  /** Next byte to read. */
  pos: number;
  /** First byte that no longer belongs to the message. */
  end: number;
}

/** The bytes are not a well-formed protobuf message. Says where, never what. */
export class MalformedProtobuf extends Error {
  override readonly name = "MalformedProtobuf";
}

export const cursor = (bytes: Uint8Array, pos = 0, end = bytes.length): Cursor => ({
  bytes,
  pos,
  end,
});

/** Wire types, the low three bits of a tag. */
export const wire = { varint: 0, fixed64: 1, bytes: 2, groupStart: 3, groupEnd: 4, fixed32: 5 };

/** How deep messages may nest; more is an attack on the stack. */
export const maxNesting = 64;

export function malformed(what: string, at: number): never {
  throw new MalformedProtobuf(`${what} at byte ${at}`);
}

/** A tag: field number and wire type. Field number 0 and numbers over 2^29 - 1 do not exist. */
export function readTag(c: Cursor): number {
  const at = c.pos;
  const tag = readUint32(c);
  if (tag >>> 3 === 0) malformed("field number 0", at);
  return tag;
}

/** A varint that has to fit into 32 bits, such as a tag or a length. Unsigned. */
export function readUint32(c: Cursor): number {
  const { bytes } = c;
  let pos = c.pos;
  const at = pos;
  if (pos >= c.end) malformed("truncated varint", at);
  let byte = bytes[pos++] as number;
  let value = byte & 0x7f;
  let shift = 7;
  while (byte >= 0x80) {
    if (pos >= c.end) malformed("truncated varint", at);
    if (shift > 28) malformed("varint over 32 bits", at);
    byte = bytes[pos++] as number;
    if (shift === 28 && byte > 0x0f) malformed("varint over 32 bits", at);
    value |= (byte & 0x7f) << shift;
    shift += 7;
  }
  c.pos = pos;
  return value >>> 0;
}

/** The low 32 bits of a varint of up to ten bytes, signed: what an int32 or an enum is on the wire. */
export function readInt32(c: Cursor): number {
  const { bytes } = c;
  const at = c.pos;
  let value = 0;
  for (let n = 0; n < 10; n++) {
    if (c.pos >= c.end) malformed("truncated varint", at);
    const byte = bytes[c.pos++] as number;
    if (n < 5) value |= (byte & 0x7f) << (7 * n);
    if (byte < 0x80) return value;
  }
  return malformed("varint over ten bytes", at);
}

/** A varint of up to ten bytes as an unsigned 64-bit integer. */
export function readUint64(c: Cursor): bigint {
  const { bytes } = c;
  const at = c.pos;
  let value = 0n;
  for (let n = 0n; n < 10n; n++) {
    if (c.pos >= c.end) malformed("truncated varint", at);
    const byte = bytes[c.pos++] as number;
    value |= BigInt(byte & 0x7f) << (7n * n);
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  return malformed("varint over ten bytes", at);
}

/** Length of a length-delimited field; the field is sure to lie inside the message. */
export function readLength(c: Cursor): number {
  const at = c.pos;
  const length = readUint32(c);
  if (length > c.end - c.pos) malformed("field longer than its message", at);
  return length;
}

/** Four bytes, little-endian, unsigned. */
export function readFixed32(c: Cursor): number {
  const { bytes, pos } = c;
  if (c.end - pos < 4) malformed("truncated fixed32", pos);
  c.pos = pos + 4;
  return (
    ((bytes[pos] as number) |
      ((bytes[pos + 1] as number) << 8) |
      ((bytes[pos + 2] as number) << 16) |
      ((bytes[pos + 3] as number) << 24)) >>>
    0
  );
}

/** Steps over the value of a field whose tag has just been read. */
export function skipField(c: Cursor, tag: number, depth = 0): void {
  switch (tag & 7) {
    case wire.varint:
      readInt32(c);
      return;
    case wire.fixed64:
      if (c.end - c.pos < 8) malformed("truncated fixed64", c.pos);
      c.pos += 8;
      return;
    case wire.bytes: {
      const length = readLength(c);
      c.pos += length;
      return;
    }
    case wire.fixed32:
      if (c.end - c.pos < 4) malformed("truncated fixed32", c.pos);
      c.pos += 4;
      return;
    case wire.groupStart:
      skipGroup(c, tag >>> 3, depth + 1);
      return;
  }
  malformed(`wire type ${tag & 7}`, c.pos);
}

/** Groups are long deprecated, but a reader has to step over unknown ones. */
function skipGroup(c: Cursor, field: number, depth: number): void {
  if (depth > maxNesting) malformed("groups nested too deep", c.pos);
  for (;;) {
    const tag = readTag(c);
    if ((tag & 7) === wire.groupEnd) {
      if (tag >>> 3 !== field) malformed("group ended by another field", c.pos);
      return;
    }
    skipField(c, tag, depth);
  }
}
