import { ftruncateSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import {
  formatVersion,
  magic,
  maxPayloadBytes,
  oldestFormatVersion,
  type RecordKind,
  type RecordPlace,
  readCarry,
  recordHeaderBytes,
  recordKind,
  segmentHeaderBytes,
} from "./segment-format.ts";

/** Damage found while opening: nothing of it is fatal, all of it is told. */
export interface Damage {
  readonly segment: string;
  readonly what: "corrupt record skipped" | "torn end cut off" | "unreadable segment set aside";
  readonly bytes: number;
}

/** An open segment file. */
export interface Segment {
  readonly id: number;
  readonly path: string;
  readonly fd: number;
  bytes: number;
}

/** What to do with a whole record. Its payload is overwritten afterwards. */
export type Replay = (kind: RecordKind, payload: Buffer, place: RecordPlace) => void;

/** Gives so many bytes to read a file into; the same ones each time. */
export type FileSpace = (bytes: number) => Buffer;

/** One space for all segments: fresh memory for each would cost as much as reading the files. */
export function fileSpace(): FileSpace {
  let space = Buffer.alloc(0);
  return (bytes) => {
    if (space.length < bytes) space = Buffer.allocUnsafeSlow(bytes);
    return space.subarray(0, bytes);
  };
}

/**
 * Calls back with each record and returns the number the next one will have; undefined when the
 * file is not a segment of this format. The segment may end up shorter.
 */
export function replaySegment(
  segment: Segment,
  expected: number,
  from: number | undefined,
  replay: Replay,
  damage: Damage[],
  space: FileSpace,
): number | undefined {
  const name = `segment-${segment.id}`;
  // Only the header and what is not known yet is read; the buffer keeps the file's offsets.
  let file = space(segment.bytes);
  readSync(segment.fd, file, 0, Math.min(file.length, segmentHeaderBytes), 0);
  const start = from ?? segmentHeaderBytes;
  if (start < file.length) {
    const read = readSync(segment.fd, file, start, file.length - start, start);
    // What is behind it belongs to the segment before.
    file = file.subarray(0, start + read);
  }
  if (
    file.length < segmentHeaderBytes ||
    file.toString("latin1", 0, magic.length) !== magic ||
    file.readUInt32LE(8) < oldestFormatVersion ||
    file.readUInt32LE(8) > formatVersion
  ) {
    damage.push({ segment: name, what: "unreadable segment set aside", bytes: file.length });
    return undefined;
  }
  const first = file.readDoubleLE(16);
  const isSane = Number.isSafeInteger(first) && first >= expected;
  let ordinal = from === undefined && isSane ? first : expected;
  let at = start;
  while (at + recordHeaderBytes <= file.length) {
    const length = file.readUInt32LE(at);
    const offset = at + recordHeaderBytes;
    if (length > maxPayloadBytes || offset + length > file.length) break;
    const whole = crc32(file.subarray(at + 8, offset + length)) === file.readUInt32LE(at + 4);
    if (whole) {
      const kind = file.readUInt8(at + 8) as RecordKind;
      const payload = file.subarray(offset, offset + length);
      if (kind === recordKind.carry && offset + length + readCarry(payload).bytes > file.length)
        break;
      const place = {
        segment: segment.id,
        offset,
        ordinal,
        receivedAt: file.readDoubleLE(at + 12),
      };
      replay(kind, payload, place);
    } else if (offset + length === file.length) {
      break;
    } else {
      damage.push({
        segment: name,
        what: "corrupt record skipped",
        bytes: recordHeaderBytes + length,
      });
    }
    ordinal++;
    at = offset + length;
  }
  if (at < file.length) {
    damage.push({ segment: name, what: "torn end cut off", bytes: file.length - at });
    ftruncateSync(segment.fd, at);
    segment.bytes = at;
  }
  return ordinal;
}
