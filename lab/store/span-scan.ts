import { checkAttributesOf, scanAttribute } from "./attribute-scan.ts";
import {
  type Cursor,
  cursor,
  readFixed32,
  readInt32,
  readLength,
  readTag,
  skipField,
} from "./protobuf-reader.ts";
import { type ScanGroups, scanGroups, scanResource } from "./scan-group.ts";

/** Most spans one request may bring. */
export const maxSpansPerRequest = 10_000;

/**
 * What one pass over an `ExportTraceServiceRequest` found: per span its ids, times and where its
 * bytes lie. Offsets count from the start of the request. One stage is used again and again, so
 * that a request costs no allocation.
 */
export interface SpanStage {
  count: number;
  /** Spans left out because an id was missing, all zero or of the wrong length. */
  rejected: number;
  readonly groups: ScanGroups;
  readonly group: Uint32Array;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  /** Four words per span. */
  readonly traceId: Uint32Array;
  /** Two words per span; parent 0,0 means none. */
  readonly spanId: Uint32Array;
  readonly parentId: Uint32Array;
  /** Nanoseconds since the epoch, low and high word. */
  readonly start: Uint32Array;
  readonly end: Uint32Array;
  readonly kind: Uint8Array;
  /** 0 unset, 1 ok, 2 error. */
  readonly status: Uint8Array;
  readonly nameOffset: Uint32Array;
  readonly nameLength: Uint32Array;
  /** Attribute hashes of all spans, one after the other, and where each span's begin. */
  hashes: Uint32Array;
  hashCount: number;
  readonly hashStart: Uint32Array;
  /** Value of the attribute `lab.run.id`; length 0 when there is none. */
  readonly runOffset: Uint32Array;
  readonly runLength: Uint32Array;
}

export function spanStage(capacity = maxSpansPerRequest): SpanStage {
  return {
    count: 0,
    rejected: 0,
    groups: scanGroups(),
    group: new Uint32Array(capacity),
    offset: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    traceId: new Uint32Array(capacity * 4),
    spanId: new Uint32Array(capacity * 2),
    parentId: new Uint32Array(capacity * 2),
    start: new Uint32Array(capacity * 2),
    end: new Uint32Array(capacity * 2),
    kind: new Uint8Array(capacity),
    status: new Uint8Array(capacity),
    nameOffset: new Uint32Array(capacity),
    nameLength: new Uint32Array(capacity),
    hashes: new Uint32Array(capacity * 4),
    hashCount: 0,
    hashStart: new Uint32Array(capacity + 1),
    runOffset: new Uint32Array(capacity),
    runLength: new Uint32Array(capacity),
  };
}

/** More spans than one request may bring. */
export class TooManyItems extends Error {
  override readonly name = "TooManyItems";
}

/** Fills the stage. Throws `MalformedProtobuf` or {@link TooManyItems}; the stage is then worthless. */
export function scanSpans(bytes: Uint8Array, stage: SpanStage): void {
  stage.count = 0;
  stage.rejected = 0;
  stage.hashCount = 0;
  stage.groups.count = 0;
  scanResource(bytes, stage.groups, (c, group) => scanSpan(c, stage, group));
}

function scanSpan(c: Cursor, stage: SpanStage, group: number): void {
  const row = stage.count;
  if (row >= stage.group.length) throw new TooManyItems(`more than ${stage.group.length} spans`);
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
  stage.nameLength[row] = 0;
  stage.nameOffset[row] = c.pos;
  stage.runLength[row] = 0;
  stage.hashStart[row] = stage.hashCount;
  let hasTraceId = false;
  let hasSpanId = false;
  let parentIsValid = true;
  while (c.pos < c.end) {
    const tag = readTag(c);
    switch (tag) {
      case 0x0a: // trace_id
        hasTraceId = readId(c, stage.traceId, row * 4, 4);
        break;
      case 0x12: // span_id
        hasSpanId = readId(c, stage.spanId, row * 2, 2);
        break;
      case 0x22: // parent_span_id
        parentIsValid = readParent(c, stage.parentId, row * 2);
        break;
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
      case 0x4a: // attributes
        stageAttribute(c, stage, row);
        break;
      case 0x5a: // events
        checkAttributesOf(c, 0x1a);
        break;
      case 0x6a: // links
        checkAttributesOf(c, 0x22);
        break;
      case 0x7a: // status
        stage.status[row] = readStatus(c);
        break;
      default:
        skipField(c, tag);
    }
  }
  if (hasTraceId && hasSpanId && parentIsValid) {
    stage.count++;
    stage.hashStart[stage.count] = stage.hashCount;
  } else {
    stage.rejected++;
    stage.hashCount = stage.hashStart[row] as number;
  }
}

/** Reads an id of `words` 32-bit words, big-endian; false unless it has that length and is not all zero. */
export function readId(c: Cursor, target: Uint32Array, at: number, words: number): boolean {
  const length = readLength(c);
  const { bytes } = c;
  let pos = c.pos;
  c.pos += length;
  if (length !== words * 4) return false;
  let any = 0;
  for (let word = 0; word < words; word++, pos += 4) {
    const value =
      ((bytes[pos] as number) << 24) |
      ((bytes[pos + 1] as number) << 16) |
      ((bytes[pos + 2] as number) << 8) |
      (bytes[pos + 3] as number);
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

function stageAttribute(c: Cursor, stage: SpanStage, row: number): void {
  const { hash, runOffset, runLength } = scanAttribute(c);
  if (stage.hashCount === stage.hashes.length) {
    const grown = new Uint32Array(stage.hashes.length * 2);
    grown.set(stage.hashes);
    stage.hashes = grown;
  }
  stage.hashes[stage.hashCount++] = hash;
  if (runLength === 0) return;
  stage.runOffset[row] = runOffset;
  stage.runLength[row] = runLength;
}
