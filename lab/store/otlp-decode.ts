import type { Field, Message } from "./otlp-schema.ts";
import {
  type Cursor,
  cursor,
  malformed,
  maxNesting,
  readFixed32,
  readInt32,
  readLength,
  readTag,
  readUint64,
  skipField,
  wire,
} from "./protobuf-reader.ts";

/**
 * `otlp`: hex ids, enums as numbers
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding).
 * `tempo`: base64 ids, enums by name, as Tempo's API answers.
 */
export type JsonDialect = "otlp" | "tempo";

export type JsonObject = Record<string, unknown>;

/**
 * One OTLP message as the JSON object of its dialect. Fields that are not on the wire are not in
 * the result; 64-bit integers are decimal text. Throws `MalformedProtobuf`.
 */
export function decodeMessage(
  bytes: Uint8Array,
  message: Message,
  dialect: JsonDialect = "otlp",
): JsonObject {
  return decodeAt(cursor(bytes), message, dialect, 0);
}

function decodeAt(c: Cursor, message: Message, dialect: JsonDialect, depth: number): JsonObject {
  // Looser than the scan's own limit, so that whatever was stored can be read.
  if (depth > maxNesting + 8) malformed("messages nested too deep", c.pos);
  const result: JsonObject = {};
  let chosen = "";
  while (c.pos < c.end) {
    const tag = readTag(c);
    const field = message.byNumber.get(tag >>> 3);
    if (field === undefined || !fits(field, tag & 7)) {
      skipField(c, tag);
      continue;
    }
    if (message.oneof) {
      if (chosen !== "") delete result[chosen];
      chosen = field.name;
    }
    if (!field.repeated) {
      result[field.name] = decodeValue(c, field, dialect, depth);
      continue;
    }
    // Field names come from the schema, so a plain object is safe; what senders name is in values.
    result[field.name] ??= [];
    const list = result[field.name] as unknown[];
    if ((tag & 7) === wire.bytes && wireTypeOf(field) !== wire.bytes) {
      const length = readLength(c);
      const packed = cursor(c.bytes, c.pos, c.pos + length);
      while (packed.pos < packed.end) list.push(decodeValue(packed, field, dialect, depth));
      c.pos += length;
    } else {
      list.push(decodeValue(c, field, dialect, depth));
    }
  }
  return result;
}

/** A known number with another wire type is an unknown field; repeated scalars may be packed. */
function fits(field: Field, wireType: number): boolean {
  return wireType === wireTypeOf(field) || (field.repeated === true && wireType === wire.bytes);
}

export function wireTypeOf({ type }: Field): number {
  if (typeof type === "function") return wire.bytes;
  switch (type) {
    case "string":
    case "bytes":
    case "id":
      return wire.bytes;
    case "bool":
    case "enum":
    case "uint32":
    case "sint32":
    case "int64":
    case "uint64":
      return wire.varint;
    case "fixed32":
      return wire.fixed32;
    case "fixed64":
    case "sfixed64":
    case "double":
      return wire.fixed64;
  }
}

function decodeValue(c: Cursor, field: Field, dialect: JsonDialect, depth: number): unknown {
  const { type } = field;
  if (typeof type === "function") {
    const length = readLength(c);
    const inner = cursor(c.bytes, c.pos, c.pos + length);
    c.pos += length;
    return decodeAt(inner, type(), dialect, depth + 1);
  }
  switch (type) {
    case "string":
      return readBytes(c).toString("utf8");
    case "bytes":
      return readBytes(c).toString("base64");
    case "id":
      return readBytes(c).toString(dialect === "otlp" ? "hex" : "base64");
    case "bool":
      return readUint64(c) !== 0n;
    case "enum": {
      const value = readInt32(c);
      return dialect === "tempo" ? (field.names?.[value] ?? value) : value;
    }
    case "uint32":
      return readInt32(c) >>> 0;
    case "sint32": {
      const value = readInt32(c);
      return (value >>> 1) ^ -(value & 1);
    }
    case "int64":
      return BigInt.asIntN(64, readUint64(c)).toString();
    case "uint64":
      return readUint64(c).toString();
    case "fixed32":
      return readFixed32(c);
    case "fixed64":
      return readFixed64(c).toString();
    case "sfixed64":
      return BigInt.asIntN(64, readFixed64(c)).toString();
    case "double":
      return jsonDouble(readFixed64(c));
  }
}

function readBytes(c: Cursor): Buffer {
  const length = readLength(c);
  const view = Buffer.from(c.bytes.buffer, c.bytes.byteOffset + c.pos, length);
  c.pos += length;
  return view;
}

function readFixed64(c: Cursor): bigint {
  const low = readFixed32(c);
  return (BigInt(readFixed32(c)) << 32n) | BigInt(low);
}

const scratch = new DataView(new ArrayBuffer(8));
/** JSON has no NaN and no infinities; protobuf's JSON mapping writes them as text. */
function jsonDouble(bits: bigint): number | string {
  scratch.setBigUint64(0, bits);
  const value = scratch.getFloat64(0);
  return Number.isFinite(value) ? value : String(value);
}
