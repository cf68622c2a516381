/** Bytes as words: a DataView reads four at once, wherever they lie. */
export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/**
 * Hash of any bytes for a table in memory. Two words per step into two hashes that do not wait for
 * each other. Rotating lets the high bits of one word reach the low bits of the hash.
 */
export function hashBytes(view: DataView, start: number, end: number): number {
  let a = 0x811c9dc5;
  let b = end - start;
  let at = start;
  if (b < 4) {
    for (; at < end; at++) a = Math.imul(a ^ view.getUint8(at), 0x01000193);
  } else {
    for (const last = end - 8; at < last; at += 8) {
      a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32(at, true), 0x9e3779b1);
      b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32(at + 4, true), 0x85ebca6b);
    }
    // The last words may overlap those before.
    if (end - at > 4) a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32(at, true), 0x9e3779b1);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32(end - 4, true), 0x85ebca6b);
  }
  const hash = Math.imul(a ^ (a >>> 15), 0xc2b2ae35) ^ b;
  return hash ^ (hash >>> 15);
}

/** Whether all of `known` stands in `view` at `start`, as far as that goes. */
export function standsAt(known: DataView, view: DataView, start: number): boolean {
  const length = known.byteLength;
  if (length < 4) {
    for (let at = 0; at < length; at++)
      if (known.getUint8(at) !== view.getUint8(start + at)) return false;
    return true;
  }
  for (let at = 0; at < length - 4; at += 4)
    if (known.getInt32(at, true) !== view.getInt32(start + at, true)) return false;
  const last = length - 4;
  return known.getInt32(last, true) === view.getInt32(start + last, true);
}
