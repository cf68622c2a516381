/**
 * A 32-bit hash per attribute of a span, taken over its encoded KeyValue. Equal key and value give
 * equal hashes, so a search for `key = value` reads only spans that hold the hash. Nothing is ever
 * missed by it: what is not encoded in the usual way, or is no single value, hashes to
 * {@link anyHash}, which stands for every attribute.
 */
export const anyHash = 0;

/** Bytes as the hash reads them: a DataView reads four at once, wherever they lie. */
export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/**
 * Hash of the KeyValue between `start` and `end`, which must lie inside the view. Any other result
 * than {@link anyHash} also says that it is well-formed: nothing else need look at it.
 */
export function attributeHash(view: DataView, start: number, end: number): number {
  if (!isUsual(view, start, end)) return anyHash;
  // Two words per step into two hashes that do not wait for each other. Rotating lets the high
  // bits of one word reach the low bits of the hash.
  let a = 0x811c9dc5;
  let b = end - start;
  let at = start;
  for (const last = end - 8; at < last; at += 8) {
    a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32(at, true), 0x9e3779b1);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32(at + 4, true), 0x85ebca6b);
  }
  // The last words may overlap those before. A usual KeyValue has at least six bytes.
  if (end - at > 4) a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32(at, true), 0x9e3779b1);
  b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32(end - 4, true), 0x85ebca6b);
  const hash = Math.imul(a ^ (a >>> 15), 0xc2b2ae35) ^ b;
  return (hash ^ (hash >>> 15)) >>> 0 || 1;
}

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
