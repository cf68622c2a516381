import { usualHash } from "./attribute-hash.ts";
import { usualRun } from "./attribute-scan.ts";
import { reserveHashes, type SpanStage } from "./span-stage.ts";

/** `lab.run.id` has as many bytes; any other key that long is told apart by `usualRun`. */
const runKeyLength = 10;

/**
 * Takes the attributes that follow each other from `pos` on, as long as each is a short text or a small
 * whole number in the usual encoding: nearly all are, and two words tell. Returns where the first
 * that is not begins. Ingest spends most of its time here.
 *
 *   4a | length | 0a | key length | key | 12 | value length | 0a | text length | text
 */
export function scanUsualAttributes(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  end: number,
  stage: SpanStage,
  row: number,
): number {
  const hashes = reserveHashes(stage, (end - from) >>> 3);
  let count = stage.hashCount;
  let pos = from;
  // The smallest: a key of no bytes and an empty text.
  while (pos + 8 <= end) {
    const head = view.getInt32(pos, true);
    // Both lengths below 128.
    if ((head & 0x80ff80ff) !== 0x000a004a) break;
    const next = pos + 2 + ((head >>> 8) & 0x7f);
    const keyLength = head >>> 24;
    const value = pos + 4 + keyLength;
    const length = next - value - 2;
    if (next > end || length < 2) break;
    const type = view.getInt32(value, true);
    const isText = type === (0x000a0012 | (length << 8) | ((length - 2) << 24));
    if (!isText && !isSmallNumber(view, type, length, next)) break;
    hashes[count++] = usualHash(view, pos + 2, next);
    if (keyLength === runKeyLength) {
      const { runOffset, runLength } = usualRun(bytes, pos + 2);
      if (runLength > 0) {
        stage.runOffset[row] = runOffset;
        stage.runLength[row] = runLength;
      }
    }
    pos = next;
  }
  stage.hashCount = count;
  return pos;
}

/** A varint of one or two bytes: 12 | 2 or 3 | 18 | number. The second byte of two is not 0. */
function isSmallNumber(view: DataView, type: number, length: number, next: number): boolean {
  const rest = type & 0x80ffffff;
  if (length === 2) return rest === 0x00180212;
  if (length !== 3 || rest !== (0x80180312 | 0)) return false;
  const last = view.getInt8(next - 1);
  return last > 0;
}
