import { anyValue, type Message } from "./otlp-schema.ts";
import { type Cursor, cursor, readLength, readTag, skipField, wire } from "./protobuf-reader.ts";
import {
  type Writer,
  writeBytes,
  writeMessage,
  writeRaw,
  writer,
  written,
} from "./protobuf-writer.ts";

/** Longest text or byte value of an attribute that is kept, in bytes. */
export const longestValue = 4096;

export interface CutRequest {
  /** The request as it came when nothing in it was too long. */
  readonly bytes: Buffer;
  /** Values that lost their end. */
  readonly cut: number;
}

/**
 * Cuts attribute values that are longer than {@link longestValue}; a text says so at its end. The
 * body of a log record is no attribute and stays. `bytes` must be well-formed.
 */
export function cutLongValues(bytes: Buffer, message: Message): CutRequest {
  const w = writer(bytes.length);
  const cut = copy(cursor(bytes), message, w);
  return cut === 0 ? { bytes, cut } : { bytes: written(w), cut };
}

function copy(c: Cursor, message: Message, w: Writer): number {
  let cut = 0;
  while (c.pos < c.end) {
    const start = c.pos;
    const tag = readTag(c);
    if ((tag & 7) !== wire.bytes) {
      skipField(c, tag);
      writeRaw(w, c.bytes.subarray(start, c.pos));
      continue;
    }
    const length = readLength(c);
    const from = c.pos;
    const end = from + length;
    c.pos = end;
    const no = tag >>> 3;
    const field = message.byNumber.get(no);
    // What is short as a whole holds nothing long.
    if (field === undefined || length <= longestValue || field.name === "body") {
      writeRaw(w, c.bytes.subarray(start, end));
    } else if (typeof field.type === "function") {
      const inner = field.type();
      writeMessage(w, no, () => {
        cut += copy(cursor(c.bytes, from, end), inner, w);
      });
    } else if (message !== anyValue) {
      writeRaw(w, c.bytes.subarray(start, end));
    } else {
      writeBytes(w, no, shortened(c.bytes.subarray(from, end), field.type === "string"));
      cut++;
    }
  }
  return cut;
}

function shortened(value: Uint8Array, isText: boolean): Uint8Array {
  if (!isText) return value.subarray(0, longestValue);
  const note = Buffer.from(`… [cut: ${value.length} bytes]`);
  let end = longestValue - note.length;
  // Not inside a character.
  while (end > 0 && ((value[end] as number) & 0xc0) === 0x80) end--;
  return Buffer.concat([value.subarray(0, end), note]);
}
