import { usualHash } from "./attribute-hash.ts";
import { reserveHashes, type SpanStage } from "./span-stage.ts";

/**
 * Takes the attributes that follow each other from `pos` on, as long as each is a short text, a small
 * whole number, a boolean or a float in the usual encoding: nearly all are, and two words tell. Returns where the first
 * that is not begins. Ingest spends most of its time here: `| 0` tells the compiler that a sum stays
 * a machine word, which about halves what it makes of this.
 *
 *   4a | length | 0a | key length | key | 12 | value length | 0a | text length | text
 */
export function scanUsualAttributes(
  view: DataView,
  from: number,
  end: number,
  stage: SpanStage,
  row: number,
): number {
  const hashes = reserveHashes(stage, (end - from) >>> 3);
  let count = stage.hashCount | 0;
  let pos = from | 0;
  // The smallest: a key of no bytes and an empty text.
  const last = (end - 8) | 0;
  while (pos <= last) {
    const head = view.getInt32(pos, true);
    // Both lengths below 128.
    if ((head & 0x80ff80ff) !== 0x000a004a) break;
    const next = (pos + 2 + ((head >>> 8) & 0x7f)) | 0;
    const value = (pos + 4 + (head >>> 24)) | 0;
    /** Bytes behind the four that say what the value is. */
    const rest = (next - value - 4) | 0;
    if (next > end || rest < 0) break;
    const type = view.getInt32(value, true);
    if (type === ((0x000a0212 + Math.imul(rest, 0x01000100)) | 0)) {
      if (isRunId(view, pos, head)) {
        stage.runOffset[row] = value + 4;
        stage.runLength[row] = rest;
      }
    } else if (!isUsualScalar(view, type, rest, next)) break;
    hashes[count] = usualHash(view, (pos + 2) | 0, next);
    count = (count + 1) | 0;
    pos = next;
  }
  stage.hashCount = count;
  return pos;
}

/** Whether the key is `lab.run.id`, read as words. */
function isRunId(view: DataView, pos: number, head: number): boolean {
  return (
    head >>> 24 === 10 &&
    view.getInt32((pos + 4) | 0, true) === 0x2e62616c &&
    view.getInt32((pos + 8) | 0, true) === 0x2e6e7572 &&
    view.getInt16((pos + 12) | 0, true) === 0x6469
  );
}

/**
 * Whether a value that is no text is one of these, and fills the rest:
 *
 *   12 | 2 | 18 | number below 128     12 | 2 | 10 | 0 or 1
 *   12 | 3 | 18 | number of two bytes, the second not 0
 *   12 | 9 | 21 | eight bytes
 */
function isUsualScalar(view: DataView, type: number, rest: number, next: number): boolean {
  if (rest === 0)
    return (type & (0x80ffffff | 0)) === 0x00180212 || (type & (0xfeffffff | 0)) === 0x00100212;
  if (rest === 1)
    return (type & (0x80ffffff | 0)) === (0x80180312 | 0) && view.getInt8((next - 1) | 0) > 0;
  return rest === 7 && (type & 0x00ffffff) === 0x00210912;
}
