import {
  type Cursor,
  malformed,
  maxNesting,
  readLength,
  readTag,
  skipField,
  wire,
} from "./protobuf-reader.ts";

/** UTF-8 of `lab.run.id`. */
const runKey = Uint8Array.from(Buffer.from("lab.run.id"));

/** Where the text of `lab.run.id` lies when an attribute is that. */
export interface RunText {
  runOffset: number;
  /** 0 when it is another attribute. */
  runLength: number;
}

const longestRun = 127;
const found: RunText = { runOffset: 0, runLength: 0 };

/** Checks one KeyValue field, however it is encoded. The result is overwritten by the next call. */
export function scanAttribute(c: Cursor): Readonly<RunText> {
  const length = readLength(c);
  const end = c.pos + length;
  const outerEnd = c.end;
  c.end = end;
  let isRun = false;
  let textOffset = 0;
  let textLength = 0;
  while (c.pos < end) {
    const tag = readTag(c);
    if (tag === 0x0a) {
      const keyLength = readLength(c);
      isRun = keyLength === runKey.length && startsWith(c.bytes, c.pos, runKey);
      c.pos += keyLength;
    } else if (tag === 0x12) {
      const valueLength = readLength(c);
      const valueEnd = c.pos + valueLength;
      c.end = valueEnd;
      textLength = 0;
      if (valueLength > 1 && c.bytes[c.pos] === 0x0a) {
        const at = c.pos;
        c.pos++;
        textLength = readLength(c);
        textOffset = c.pos;
        c.pos = at;
      }
      checkValue(c, 1);
      c.end = end;
    } else {
      skipField(c, tag);
    }
  }
  c.end = outerEnd;
  found.runOffset = textOffset;
  found.runLength = isRun && textLength <= longestRun ? textLength : 0;
  return found;
}

/** The same for a KeyValue at `start` that is known to be encoded as usual. */
export function usualRun(bytes: Uint8Array, start: number): Readonly<RunText> {
  found.runLength = 0;
  // Behind the key: 0x12, length, 0x0a, length, text.
  const value = start + 2 + runKey.length;
  if (bytes[start + 1] !== runKey.length || bytes[value + 2] !== 0x0a) return found;
  const length = bytes[value + 3] as number;
  if (length > longestRun || !startsWith(bytes, start + 2, runKey)) return found;
  found.runOffset = value + 4;
  found.runLength = length;
  return found;
}

function startsWith(bytes: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let n = 0; n < text.length; n++) if (bytes[at + n] !== text[n]) return false;
  return true;
}

/** Walks an AnyValue to its end, so that a lazy reader meets no surprise later. */
export function checkValue(c: Cursor, depth: number): void {
  if (depth > maxNesting) malformed("values nested too deep", c.pos);
  while (c.pos < c.end) {
    const tag = readTag(c);
    if (tag === 0x2a) checkNested(c, depth, 0x0a, checkValue);
    else if (tag === 0x32) checkNested(c, depth, 0x0a, checkKeyValue);
    else skipField(c, tag);
  }
}

function checkKeyValue(c: Cursor, depth: number): void {
  while (c.pos < c.end) {
    const tag = readTag(c);
    if ((tag & 7) === wire.bytes && tag >>> 3 === 2) within(c, depth, checkValue);
    else skipField(c, tag);
  }
}

/** A message whose field `elementTag` repeats an element that `check` walks. */
function checkNested(
  c: Cursor,
  depth: number,
  elementTag: number,
  check: (c: Cursor, depth: number) => void,
): void {
  within(c, depth, (inner, innerDepth) => {
    while (inner.pos < inner.end) {
      const tag = readTag(inner);
      if (tag === elementTag) within(inner, innerDepth, check);
      else skipField(inner, tag);
    }
  });
}

function within(c: Cursor, depth: number, check: (c: Cursor, depth: number) => void): void {
  const length = readLength(c);
  const outerEnd = c.end;
  c.end = c.pos + length;
  check(c, depth + 1);
  c.end = outerEnd;
}

/** Steps over an event or a link, checking its attributes; they carry `attributesTag`. */
export function checkAttributesOf(c: Cursor, attributesTag: number): void {
  within(c, 0, (inner) => checkAttributeList(inner, attributesTag));
}

/** Walks a message (scope, event, link) whose attributes carry `attributesTag`. */
export function checkAttributeList(c: Cursor, attributesTag: number): void {
  while (c.pos < c.end) {
    const tag = readTag(c);
    if (tag === attributesTag) within(c, 0, checkKeyValue);
    else skipField(c, tag);
  }
}
