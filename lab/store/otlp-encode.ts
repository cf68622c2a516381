import { wireTypeOf } from "./otlp-decode.ts";
import type { Field, Message } from "./otlp-schema.ts";
import {
  type Writer,
  writeBytes,
  writeDouble,
  writeFixed32,
  writeFixed64,
  writeMessage,
  writer,
  writeString,
  writeTag,
  writeVarint,
  writeVarint64,
  written,
} from "./protobuf-writer.ts";

/** The JSON does not have the shape OTLP/JSON asks for. The message names the field, never its value. */
export class MalformedOtlpJson extends Error {
  override readonly name = "MalformedOtlpJson";
}

/**
 * OTLP/JSON → protobuf, so that one format is stored. Unknown fields are ignored, as the OTLP
 * specification demands; 64-bit integers may be text or numbers; ids are hex in any case.
 */
export function encodeMessage(json: unknown, message: Message): Buffer {
  const w = writer(4096);
  encodeFields(w, json, message, message.name);
  return written(w);
}

function encodeFields(w: Writer, json: unknown, message: Message, path: string): void {
  if (typeof json !== "object" || json === null || Array.isArray(json)) wrong(path, "an object");
  const source = json as Readonly<Record<string, unknown>>;
  for (const field of message.fields) {
    if (!Object.hasOwn(source, field.name)) continue;
    const value = source[field.name];
    // JSON null means "absent" in protobuf's JSON mapping.
    if (value === null || value === undefined) continue;
    const at = `${path}.${field.name}`;
    if (!field.repeated) {
      encodeValue(w, value, field, at);
      continue;
    }
    if (!Array.isArray(value)) wrong(at, "an array");
    for (const entry of value) encodeValue(w, entry, field, at);
  }
}

function encodeValue(w: Writer, value: unknown, field: Field, path: string): void {
  const { type, no } = field;
  if (typeof type === "function") {
    writeMessage(w, no, () => encodeFields(w, value, type(), path));
    return;
  }
  switch (type) {
    case "string":
      if (typeof value !== "string") wrong(path, "text");
      writeString(w, no, value);
      break;
    case "bytes":
      if (typeof value !== "string") wrong(path, "base64 text");
      writeBytes(w, no, Buffer.from(value, "base64"));
      break;
    case "id":
      if (typeof value !== "string" || !/^([0-9a-fA-F]{2})*$/.test(value))
        wrong(path, "hex digits");
      writeBytes(w, no, Buffer.from(value, "hex"));
      break;
    case "bool":
      if (typeof value !== "boolean") wrong(path, "true or false");
      writeTag(w, no, 0);
      writeVarint(w, value ? 1 : 0);
      break;
    case "enum":
      writeInteger(w, field, enumNumber(value, field, path));
      break;
    case "uint32":
    case "int64":
    case "uint64":
      writeInteger(w, field, integer(value, path));
      break;
    case "sint32": {
      const signed = integer(value, path);
      writeInteger(w, field, signed >= 0n ? signed * 2n : signed * -2n - 1n);
      break;
    }
    case "fixed32":
      writeTag(w, no, wireTypeOf(field));
      writeFixed32(w, Number(BigInt.asUintN(32, integer(value, path))));
      break;
    case "fixed64":
    case "sfixed64":
      writeTag(w, no, wireTypeOf(field));
      writeFixed64(w, integer(value, path));
      break;
    case "double":
      writeTag(w, no, wireTypeOf(field));
      writeDouble(w, double(value, path));
      break;
  }
}

function writeInteger(w: Writer, field: Field, value: bigint): void {
  writeTag(w, field.no, 0);
  writeVarint64(w, value);
}

/** The specification wants numbers; senders that write the name are understood too. */
function enumNumber(value: unknown, field: Field, path: string): bigint {
  const named = typeof value === "string" ? field.names?.indexOf(value) : undefined;
  return named !== undefined && named >= 0 ? BigInt(named) : integer(value, path);
}

const least = -(2n ** 63n);
const most = 2n ** 64n - 1n;
function integer(value: unknown, path: string): bigint {
  const written =
    (typeof value === "number" && Number.isInteger(value)) ||
    (typeof value === "string" && /^-?\d{1,20}$/.test(value));
  if (!written) wrong(path, "an integer");
  const result = BigInt(value as number | string);
  if (result < least || result > most) wrong(path, "a 64-bit integer");
  return result;
}

function double(value: unknown, path: string): number {
  if (typeof value === "number") return value;
  if (value === "NaN" || value === "Infinity" || value === "-Infinity") return Number(value);
  if (typeof value === "string" && value.trim() !== "" && Number.isFinite(Number(value)))
    return Number(value);
  return wrong(path, "a number");
}

function wrong(path: string, wanted: string): never {
  throw new MalformedOtlpJson(`${path} must be ${wanted}`);
}
