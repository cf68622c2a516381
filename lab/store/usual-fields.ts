import type { SpanStage } from "./span-stage.ts";

/**
 * What stands before and behind the attributes of a span, read in one go when it is in order of
 * field number and encoded as every known encoder does it. Whatever is not so is left to the general
 * scan, which begins where this ends. `| 0` tells the compiler that a sum stays a machine word.
 */

/** Both ids with their tags and lengths. */
const idsBytes = 28;

/**
 * Ids, parent, name, kind and times. Fills all columns of the row that a span's fields fill, with
 * zeros for what is not there. Returns where the next field begins; `start` when the ids are not as
 * usual, and then nothing else was read.
 *
 *   0a 10 trace id | 12 08 span id | 22 08 parent | 2a length name | 30 kind | 39 start | 41 end
 */
export function scanUsualHead(
  view: DataView,
  start: number,
  end: number,
  stage: SpanStage,
  row: number,
): number {
  const pair = row << 1;
  let pos = start | 0;
  let parentHigh = 0;
  let parentLow = 0;
  let nameOffset = pos;
  let nameLength = 0;
  let kind = 0;
  let startLow = 0;
  let startHigh = 0;
  let endLow = 0;
  let endHigh = 0;
  if (readIds(view, pos, end, stage, row)) {
    pos = (pos + idsBytes) | 0;
    if (end - pos >= 10 && view.getInt16(pos, true) === 0x0822) {
      parentHigh = view.getInt32((pos + 2) | 0);
      parentLow = view.getInt32((pos + 6) | 0);
      pos = (pos + 10) | 0;
    }
    if (end - pos >= 2 && view.getUint8(pos) === 0x2a) {
      // Negative when the length takes another byte.
      const length = view.getInt8((pos + 1) | 0);
      const next = (pos + 2 + length) | 0;
      if (length >= 0 && next <= end) {
        nameOffset = (pos + 2) | 0;
        nameLength = length;
        pos = next;
      }
    }
    if (end - pos >= 2 && view.getUint8(pos) === 0x30) {
      const value = view.getUint8((pos + 1) | 0);
      if (value <= 5) {
        kind = value;
        pos = (pos + 2) | 0;
      }
    }
    if (end - pos >= 18 && view.getUint8(pos) === 0x39 && view.getUint8((pos + 9) | 0) === 0x41) {
      startLow = view.getInt32((pos + 1) | 0, true);
      startHigh = view.getInt32((pos + 5) | 0, true);
      endLow = view.getInt32((pos + 10) | 0, true);
      endHigh = view.getInt32((pos + 14) | 0, true);
      pos = (pos + 18) | 0;
    }
  }
  stage.parentId[pair] = parentHigh;
  stage.parentId[pair + 1] = parentLow;
  stage.nameOffset[row] = nameOffset;
  stage.nameLength[row] = nameLength;
  stage.kind[row] = kind;
  stage.start[pair] = startLow;
  stage.start[pair + 1] = startHigh;
  stage.end[pair] = endLow;
  stage.end[pair + 1] = endHigh;
  stage.status[row] = 0;
  stage.marks[row] = 0;
  stage.runLength[row] = 0;
  return pos;
}

/** False unless both ids stand there and are not all zero; the row's are worthless then. */
function readIds(view: DataView, pos: number, end: number, stage: SpanStage, row: number): boolean {
  if (end - pos < idsBytes) return false;
  if (view.getInt16(pos, true) !== 0x100a) return false;
  if (view.getInt16((pos + 18) | 0, true) !== 0x0812) return false;
  const a = view.getInt32((pos + 2) | 0);
  const b = view.getInt32((pos + 6) | 0);
  const c = view.getInt32((pos + 10) | 0);
  const d = view.getInt32((pos + 14) | 0);
  const high = view.getInt32((pos + 20) | 0);
  const low = view.getInt32((pos + 24) | 0);
  const { traceId, spanId } = stage;
  traceId[row * 4] = a;
  traceId[row * 4 + 1] = b;
  traceId[row * 4 + 2] = c;
  traceId[row * 4 + 3] = d;
  spanId[row * 2] = high;
  spanId[row * 2 + 1] = low;
  return (a | b | c | d) !== 0 && (high | low) !== 0;
}

/**
 * Numbers of what the sender dropped, a status without a message, and flags. Returns where the next
 * field begins.
 *
 *   50 attributes | 60 events | 70 links | 7a length [18 code] | 85 01 flags
 */
export function scanUsualTail(
  view: DataView,
  start: number,
  end: number,
  stage: SpanStage,
  row: number,
): number {
  let pos = start | 0;
  for (let tag = 0x50; tag <= 0x70; tag += 0x10)
    if (end - pos >= 2 && view.getUint8(pos) === tag && view.getInt8((pos + 1) | 0) >= 0)
      pos = (pos + 2) | 0;
  if (end - pos >= 2 && view.getInt16(pos, true) === 0x007a) {
    stage.status[row] = 0;
    pos = (pos + 2) | 0;
  } else if (end - pos >= 4 && (view.getInt32(pos, true) & 0xffffff) === 0x18027a) {
    const code = view.getUint8((pos + 3) | 0);
    if (code > 2) return pos;
    stage.status[row] = code;
    pos = (pos + 4) | 0;
  }
  if (end - pos >= 6 && view.getInt16(pos, true) === 0x0185) pos = (pos + 6) | 0;
  return pos;
}
