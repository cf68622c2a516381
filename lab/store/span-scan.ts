import { anyHash, attributeHash } from "./attribute-hash.ts";
import { checkAttributesOf, type RunText, scanAttribute, usualRun } from "./attribute-scan.ts";
import { viewOf } from "./byte-words.ts";
import { longestValue } from "./long-values.ts";
import {
  type Cursor,
  cursor,
  readFixed32,
  readInt32,
  readLength,
  readTag,
  skipField,
} from "./protobuf-reader.ts";
import { scanResource } from "./scan-group.ts";
import { type SpanStage, spanMark, stageHash } from "./span-stage.ts";
import { scanUsualAttributes } from "./usual-attributes.ts";

/** More spans than one request may bring. */
export class TooManyItems extends Error {
  override readonly name = "TooManyItems";
}

/** Fills the stage. Throws `MalformedProtobuf` or {@link TooManyItems}; the stage is then worthless. */
export function scanSpans(bytes: Uint8Array, stage: SpanStage): void {
  stage.count = 0;
  stage.rejected = 0;
  stage.hashCount = 0;
  const view = viewOf(bytes);
  scanResource(bytes, stage.groups, (c, group) => scanSpan(c, view, stage, group));
}

/** What is known about a span's ids, as bits. A later field of the same number decides anew. */
const hasTraceId = 1;
const hasSpanId = 2;
const isParentWrong = 4;

function scanSpan(c: Cursor, view: DataView, stage: SpanStage, group: number): void {
  const row = stage.count;
  if (row >= stage.group.length) throw new TooManyItems(`more than ${stage.group.length} spans`);
  clearRow(stage, row, group, c);
  const { bytes, end } = c;
  let ids = 0;
  while (c.pos < end) {
    const after = scanUsualField(bytes, view, c.pos, end, stage, row);
    if (after > 0) {
      // Ids are the first fields of a span, and of nothing else that is usual.
      const tag = bytes[c.pos];
      if (tag === 0x0a) ids |= hasTraceId;
      else if (tag === 0x12) ids |= hasSpanId;
      else if (tag === 0x22) ids &= ~isParentWrong;
      c.pos = after;
    } else ids = scanField(c, view, stage, row, ids);
  }
  if (ids === (hasTraceId | hasSpanId)) {
    stage.count++;
    stage.hashStart[stage.count] = stage.hashCount;
  } else {
    stage.rejected++;
    stage.hashCount = stage.hashStart[row] as number;
  }
}

function clearRow(stage: SpanStage, row: number, group: number, c: Cursor): void {
  stage.group[row] = group;
  stage.offset[row] = c.pos;
  stage.length[row] = c.end - c.pos;
  stage.parentId[row * 2] = 0;
  stage.parentId[row * 2 + 1] = 0;
  stage.start[row * 2] = 0;
  stage.start[row * 2 + 1] = 0;
  stage.end[row * 2] = 0;
  stage.end[row * 2 + 1] = 0;
  stage.kind[row] = 0;
  stage.status[row] = 0;
  stage.marks[row] = 0;
  stage.nameLength[row] = 0;
  stage.nameOffset[row] = c.pos;
  stage.runLength[row] = 0;
  stage.hashStart[row] = stage.hashCount;
}

/**
 * Reads the field at `pos` when it is encoded as every known encoder does it, and returns where the
 * next one begins. 0: it is not, or it is wrong, and {@link scanField} has to look; nothing was
 * changed. Knows only what it can judge with a few comparisons.
 */
function scanUsualField(
  bytes: Uint8Array,
  view: DataView,
  pos: number,
  end: number,
  stage: SpanStage,
  row: number,
): number {
  switch (bytes[pos]) {
    case 0x4a: {
      // attributes: many at once when they are short, else the one that is not
      const behind = scanUsualAttributes(bytes, view, pos, end, stage, row);
      if (behind > pos) return behind;
      let at = pos + 2;
      let length = bytes[pos + 1] as number;
      if (length >= 0x80) {
        const high = bytes[at++] as number;
        if (high >= 0x80) return 0;
        length = (length & 0x7f) | (high << 7);
        if (length > longestValue) return 0;
      }
      const next = at + length;
      if (!(next <= end)) return 0;
      const hash = attributeHash(view, at, next);
      if (hash === anyHash) return 0;
      stageHash(stage, hash);
      stageRun(stage, row, usualRun(bytes, at));
      return next;
    }
    case 0x0a: // trace_id
      if (end - pos < 18 || bytes[pos + 1] !== 16) return 0;
      return readWords(view, pos + 2, stage.traceId, row * 4, 4) ? pos + 18 : 0;
    case 0x12: // span_id
      if (end - pos < 10 || bytes[pos + 1] !== 8) return 0;
      return readWords(view, pos + 2, stage.spanId, row * 2, 2) ? pos + 10 : 0;
    case 0x22: // parent_span_id
      if (end - pos < 10 || bytes[pos + 1] !== 8) return 0;
      return readWords(view, pos + 2, stage.parentId, row * 2, 2) ? pos + 10 : 0;
    case 0x2a: {
      // name
      const length = bytes[pos + 1] as number;
      const next = pos + 2 + length;
      if (length >= 0x80 || !(next <= end)) return 0;
      stage.nameOffset[row] = pos + 2;
      stage.nameLength[row] = length;
      return next;
    }
    case 0x30: {
      // kind
      const kind = bytes[pos + 1] as number;
      if (pos + 2 > end || kind > 5) return 0;
      stage.kind[row] = kind;
      return pos + 2;
    }
    case 0x39: // start_time_unix_nano
      return readTime(view, pos, end, stage.start, row);
    case 0x41: // end_time_unix_nano
      return readTime(view, pos, end, stage.end, row);
    case 0x7a: // status: mostly unset, which is an empty message
      if (pos + 2 > end || bytes[pos + 1] !== 0) return 0;
      stage.status[row] = 0;
      return pos + 2;
    default:
      return 0;
  }
}

function readTime(
  view: DataView,
  pos: number,
  end: number,
  target: Uint32Array,
  row: number,
): number {
  if (end - pos < 9) return 0;
  target[row * 2] = view.getInt32(pos + 1, true);
  target[row * 2 + 1] = view.getInt32(pos + 5, true);
  return pos + 9;
}

/** Reads one field of a span, however it is encoded. Returns what is known about the ids then. */
function scanField(c: Cursor, view: DataView, stage: SpanStage, row: number, ids: number): number {
  const tag = readTag(c);
  switch (tag) {
    case 0x0a: // trace_id
      return withBit(ids, hasTraceId, readId(c, stage.traceId, row * 4, 4));
    case 0x12: // span_id
      return withBit(ids, hasSpanId, readId(c, stage.spanId, row * 2, 2));
    case 0x22: // parent_span_id
      return withBit(ids, isParentWrong, !readParent(c, stage.parentId, row * 2));
    case 0x2a: {
      // name
      const length = readLength(c);
      stage.nameOffset[row] = c.pos;
      stage.nameLength[row] = length;
      c.pos += length;
      break;
    }
    case 0x30: // kind
      stage.kind[row] = enumByte(readInt32(c), 5);
      break;
    case 0x39: // start_time_unix_nano
      stage.start[row * 2] = readFixed32(c);
      stage.start[row * 2 + 1] = readFixed32(c);
      break;
    case 0x41: // end_time_unix_nano
      stage.end[row * 2] = readFixed32(c);
      stage.end[row * 2 + 1] = readFixed32(c);
      break;
    case 0x4a: {
      // attributes
      const before = c.pos;
      const length = readLength(c);
      if (length > longestValue) stage.groups.mayBeLong = true;
      stageHash(stage, attributeHash(view, c.pos, c.pos + length));
      c.pos = before;
      stageRun(stage, row, scanAttribute(c));
      break;
    }
    case 0x5a: // events
      stage.marks[row] = (stage.marks[row] as number) | spanMark.events;
      checkPart(c, stage, 0x1a);
      break;
    case 0x6a: // links
      checkPart(c, stage, 0x22);
      break;
    case 0x7a: // status
      stage.status[row] = readStatus(c);
      break;
    default:
      skipField(c, tag);
  }
  return ids;
}

function checkPart(c: Cursor, stage: SpanStage, attributesTag: number): void {
  const before = c.pos;
  checkAttributesOf(c, attributesTag);
  if (c.pos - before > longestValue) stage.groups.mayBeLong = true;
}

function stageRun(stage: SpanStage, row: number, { runOffset, runLength }: RunText): void {
  if (runLength === 0) return;
  stage.runOffset[row] = runOffset;
  stage.runLength[row] = runLength;
}

const withBit = (bits: number, bit: number, isSet: boolean): number =>
  isSet ? bits | bit : bits & ~bit;

/** Reads an id of `words` 32-bit words, big-endian; false unless it has that length and is not all zero. */
export function readId(c: Cursor, target: Uint32Array, at: number, words: number): boolean {
  const length = readLength(c);
  const start = c.pos;
  c.pos += length;
  return length === words * 4 && readWords(viewOf(c.bytes), start, target, at, words);
}

/** Reads big-endian words; false when all are zero. */
function readWords(
  view: DataView,
  from: number,
  target: Uint32Array,
  at: number,
  words: number,
): boolean {
  let any = 0;
  for (let word = 0; word < words; word++) {
    const value = view.getInt32(from + word * 4);
    target[at + word] = value;
    any |= value;
  }
  return any !== 0;
}

/** A missing parent is written as no field, as no bytes, and by some as eight zeros. */
function readParent(c: Cursor, target: Uint32Array, at: number): boolean {
  const before = c.pos;
  const length = readLength(c);
  c.pos = before;
  if (length === 0) {
    target[at] = 0;
    target[at + 1] = 0;
    readLength(c);
    return true;
  }
  readId(c, target, at, 2);
  return length === 8;
}

const enumByte = (value: number, most: number): number => (value >= 0 && value <= most ? value : 0);

function readStatus(c: Cursor): number {
  const length = readLength(c);
  const end = c.pos + length;
  const inner = cursor(c.bytes, c.pos, end);
  let code = 0;
  while (inner.pos < end) {
    const tag = readTag(inner);
    if (tag === 0x18) code = enumByte(readInt32(inner), 2);
    else skipField(inner, tag);
  }
  c.pos = end;
  return code;
}
