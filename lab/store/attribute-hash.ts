import { hashBytes } from "./byte-words.ts";

/**
 * A 32-bit hash per attribute of a span, taken over its encoded KeyValue. Equal key and value give
 * equal hashes, so a search for `key = value` reads only spans that hold the hash. Nothing is ever
 * missed by it: what is not encoded in the usual way, or is no single value, hashes to
 * {@link anyHash}, which stands for every attribute.
 */
export const anyHash = 0;

/**
 * Hash of the KeyValue between `start` and `end`, which must lie inside the view. Any other result
 * than {@link anyHash} also says that it is well-formed: nothing else need look at it.
 */
export function attributeHash(view: DataView, start: number, end: number): number {
  return isUsual(view, start, end) ? usualHash(view, start, end) >>> 0 : anyHash;
}

/** The same for a KeyValue that is known to be encoded as usual, as a signed number. */
export const usualHash = (view: DataView, start: number, end: number): number =>
  hashBytes(view, start, end) || 1;

/**
 * A key shorter than 128 bytes, then one value, each once, with no byte to spare: as every known
 * encoder writes it.
 */
function isUsual(view: DataView, start: number, end: number): boolean {
  // 0x0a, length of the key, key, 0x12, length of the value, its type, and what the type asks for.
  if (end - start < 6 || view.getUint8(start) !== 0x0a) return false;
  const keyLength = view.getUint8(start + 1);
  let pos = start + 2 + keyLength;
  if (keyLength >= 0x80 || end - pos < 4 || view.getUint8(pos) !== 0x12) return false;
  let length = view.getUint8(pos + 1);
  pos += 2;
  if (length >= 0x80) {
    const high = view.getUint8(pos++);
    // A third byte, or one more than is needed.
    if (high === 0 || high >= 0x80) return false;
    length = (length & 0x7f) | (high << 7);
  }
  if (length < 2 || pos + length !== end) return false;
  const type = view.getUint8(pos++);
  if (type === 0x0a) {
    let text = view.getUint8(pos++);
    if (text >= 0x80) {
      if (pos === end) return false;
      const high = view.getUint8(pos++);
      if (high === 0 || high >= 0x80) return false;
      text = (text & 0x7f) | (high << 7);
    }
    return pos + text === end;
  }
  if (type === 0x18) return isShortestVarint(view, pos, end);
  if (type === 0x10) return pos + 1 === end && view.getUint8(pos) <= 1;
  return type === 0x21 && pos + 8 === end;
}

function isShortestVarint(view: DataView, start: number, end: number): boolean {
  if (end - start > 10) return false;
  for (let at = start; at < end - 1; at++) if (view.getUint8(at) < 0x80) return false;
  const last = view.getUint8(end - 1);
  // The last byte of a shortest varint is not 0, unless it is the only one.
  return last < 0x80 && (last !== 0 || end - start === 1);
}
