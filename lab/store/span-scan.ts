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
import { scanUsualHead, scanUsualTail } from "./usual-fields.ts";

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
  const { pos: start, end } = c;
  stage.group[row] = group;
  stage.offset[row] = start;
  stage.length[row] = end - start;
  stage.hashStart[row] = stage.hashCount;
  const attributes = scanUsualHead(view, start, end, stage, row);
  let ids = attributes > start ? hasTraceId | hasSpanId : 0;
  c.pos = attributes;
  while (c.pos < end) {
    c.pos = scanUsualAttributes(view, c.pos, end, stage, row);
    c.pos = scanUsualTail(view, c.pos, end, stage, row);
    if (c.pos < end && !scanLongAttribute(c, view, stage, row))
      ids = scanField(c, view, stage, row, ids);
  }
  if (ids === (hasTraceId | hasSpanId)) {
    stage.count++;
    stage.hashStart[stage.count] = stage.hashCount;
  } else {
    stage.rejected++;
    stage.hashCount = stage.hashStart[row] as number;
  }
}

/**
 * Steps over an attribute that takes two bytes to say its length and is encoded as usual otherwise.
 * False: it is not, or another field, and nothing was changed.
 */
function scanLongAttribute(c: Cursor, view: DataView, stage: SpanStage, row: number): boolean {
  const { pos, end } = c;
  if (end - pos < 3 || view.getUint8(pos) !== 0x4a) return false;
  const high = view.getUint8(pos + 2);
  const length = (view.getUint8(pos + 1) & 0x7f) | (high << 7);
  const next = pos + 3 + length;
  if (view.getUint8(pos + 1) < 0x80 || high >= 0x80) return false;
  if (length > longestValue || next > end) return false;
  const hash = attributeHash(view, pos + 3, next);
  if (hash === anyHash) return false;
  stageHash(stage, hash);
  stageRun(stage, row, usualRun(c.bytes, pos + 3));
  c.pos = next;
  return true;
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
