/** Bytes as words: a DataView reads four at once, wherever they lie. */
export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/**
 * Hash of any bytes for a table in memory. Four words per step into two hashes that do not wait for
 * each other; the last step goes back to end where the bytes end. Rotating lets the high bits of one
 * word reach the low bits of the hash. `| 0` keeps all of it machine words: a number that may be
 * beyond 31 bits would be computed as a float. Short enough to be inlined, which matters.
 */
export function hashBytes(view: DataView, start: number, end: number): number {
  let b = (end - start) | 0;
  if (b < 16) return hashFew(view, start, end) | 0;
  let a = 0x811c9dc5 | 0;
  const last = (end - 16) | 0;
  for (let at = start | 0; ; ) {
    a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32(at, true), 0x9e3779b1);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32((at + 4) | 0, true), 0x85ebca6b);
    a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32((at + 8) | 0, true), 0x9e3779b1);
    b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32((at + 12) | 0, true), 0x85ebca6b);
    if (at === last) break;
    at = (at + 16) | 0;
    if (at > last) at = last;
  }
  return mixed(a, b);
}

/** The same for less than 16 bytes. */
function hashFew(view: DataView, start: number, end: number): number {
  let a = 0x811c9dc5 | 0;
  let b = (end - start) | 0;
  if (b < 4) {
    for (let at = start; at < end; at++) a = Math.imul(a ^ view.getUint8(at), 0x01000193);
    return mixed(a, b);
  }
  if (b > 8) {
    a = Math.imul(a ^ view.getInt32((start + 4) | 0, true), 0x9e3779b1);
    b = Math.imul(b ^ view.getInt32((end - 8) | 0, true), 0x85ebca6b);
  }
  a = Math.imul(((a << 5) | (a >>> 27)) ^ view.getInt32(start | 0, true), 0x9e3779b1);
  b = Math.imul(((b << 5) | (b >>> 27)) ^ view.getInt32((end - 4) | 0, true), 0x85ebca6b);
  return mixed(a, b);
}

function mixed(a: number, b: number): number {
  const hash = Math.imul(a ^ (a >>> 15), 0xc2b2ae35) ^ b;
  return hash ^ (hash >>> 15);
}

/** Whether all of `known`, which has this length, stands in `view` at `start`, as far as that goes. */
export function standsAt(known: DataView, length: number, view: DataView, start: number): boolean {
  if (length < 8) return fewStandAt(known, length, view, start);
  const last = (length - 8) | 0;
  for (let at = 0; ; ) {
    const beyond = (start + at) | 0;
    if (known.getInt32(at, true) !== view.getInt32(beyond, true)) return false;
    if (known.getInt32((at + 4) | 0, true) !== view.getInt32((beyond + 4) | 0, true)) return false;
    if (at === last) return true;
    at = (at + 8) | 0;
    // The last words may overlap those before.
    if (at > last) at = last;
  }
}

/** The same for less than eight bytes. */
function fewStandAt(known: DataView, length: number, view: DataView, start: number): boolean {
  for (let at = 0; at < length; at++)
    if (known.getUint8(at) !== view.getUint8(start + at)) return false;
  return true;
}
