import type { SegmentLog } from "./segment-log.ts";

/** Bytes read ahead: neighbours in a segment are usually wanted together. */
const windowBytes = 64 * 1024;

/**
 * A reader over the segments for one answer. The returned bytes are a view that the next read may
 * overwrite: use or copy them first.
 */
export function storedBytes(
  log: SegmentLog,
): (segment: number, offset: number, length: number) => Buffer {
  let window = Buffer.allocUnsafe(windowBytes);
  let windowSegment = 0;
  let from = 0;
  let to = 0;
  return (segment, offset, length) => {
    if (segment !== windowSegment || offset < from || offset + length > to) {
      if (length > window.length) window = Buffer.allocUnsafe(length);
      windowSegment = segment;
      from = offset;
      to = offset + log.read(segment, offset, window);
    }
    if (offset + length > to) throw new Error("the segment is shorter than its index says");
    return window.subarray(offset - from, offset - from + length);
  };
}
