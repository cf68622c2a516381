/**
 * A 32-bit hash per attribute of a span, taken over its encoded KeyValue. Equal key and value give
 * equal hashes, so a search for `key = value` reads only spans that hold the hash. Nothing is ever
 * missed by it: what is not encoded in the usual way, or is no single value, hashes to
 * {@link anyHash}, which stands for every attribute.
 */
export const anyHash = 0;

/** Place of the next byte while a KeyValue is looked over. */
let pos = 0;

/**
 * Hash of the KeyValue between `start` and `end`. Any other result than {@link anyHash} also says that
 * it is well-formed: nothing else need look at it.
 */
export function attributeHash(bytes: Uint8Array, start: number, end: number): number {
  if (!isUsual(bytes, start, end)) return anyHash;
  let hash = 0x811c9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0 || 1;
}

/** Key, then one value, each once, with no byte to spare: as every known encoder writes it. */
function isUsual(bytes: Uint8Array, start: number, end: number): boolean {
  pos = start;
  if (bytes[pos++] !== 0x0a) return false;
  const keyLength = shortestLength(bytes);
  if (keyLength < 0) return false;
  pos += keyLength;
  if (pos >= end || bytes[pos++] !== 0x12) return false;
  const valueLength = shortestLength(bytes);
  if (valueLength < 2 || pos + valueLength !== end) return false;
  switch (bytes[pos++]) {
    case 0x0a: {
      const textLength = shortestLength(bytes);
      return textLength >= 0 && pos + textLength === end;
    }
    case 0x10:
      return pos + 1 === end && (bytes[pos] as number) <= 1;
    case 0x18: {
      if (end - pos > 10) return false;
      for (let at = pos; at < end - 1; at++) if ((bytes[at] as number) < 0x80) return false;
      const last = bytes[end - 1] as number;
      // The last byte of a shortest varint is not 0, unless it is the only one.
      return last < 0x80 && (last !== 0 || end - pos === 1);
    }
    case 0x21:
      return pos + 8 === end;
    default:
      return false;
  }
}

/** A length in one or two bytes; -1 when it is longer, or longer than it need be. */
function shortestLength(bytes: Uint8Array): number {
  const first = bytes[pos++] as number;
  if (first < 0x80) return first;
  const second = bytes[pos++] as number;
  return second === 0 || second >= 0x80 ? -1 : (first & 0x7f) | (second << 7);
}
