import { checkAttributeList, checkValue } from "./attribute-scan.ts";
import { longestValue } from "./long-values.ts";
import { type Cursor, cursor, readLength, readTag, skipField } from "./protobuf-reader.ts";

/**
 * One group per `ScopeSpans` or `ScopeLogs` of a request: what its items share. The three request
 * kinds nest the same way with the same field numbers (1 resource, 2 scoped list; 1 scope, 2 items).
 */
export interface ScanGroups {
  count: number;
  readonly resourceOffset: number[];
  readonly resourceLength: number[];
  readonly scopeOffset: number[];
  readonly scopeLength: number[];
  /** Value of the resource's `service.name`; length 0 when it names none. */
  readonly serviceOffset: number[];
  readonly serviceLength: number[];
  /** An attribute value may be longer than is kept: `long-values.ts` has to look. */
  mayBeLong: boolean;
}

export const scanGroups = (): ScanGroups => ({
  count: 0,
  resourceOffset: [],
  resourceLength: [],
  scopeOffset: [],
  scopeLength: [],
  serviceOffset: [],
  serviceLength: [],
  mayBeLong: false,
});

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** Calls `item` with a cursor over each span, log record or metric and the number of its group. */
export function scanResource(
  bytes: Uint8Array,
  groups: ScanGroups,
  item: (c: Cursor, group: number) => void,
): void {
  groups.count = 0;
  groups.mayBeLong = false;
  const request = cursor(bytes);
  while (request.pos < request.end) {
    const tag = readTag(request);
    if (tag !== 0x0a) {
      skipField(request, tag);
      continue;
    }
    const length = readLength(request);
    scanScopes(cursor(bytes, request.pos, request.pos + length), groups, item);
    request.pos += length;
  }
}

/** The last field number 1 of a message. Fields may come in any order, so this looks ahead. */
function findFirstField(c: Cursor): Range {
  const start = c.pos;
  let offset = start;
  let length = 0;
  while (c.pos < c.end) {
    const tag = readTag(c);
    if (tag === 0x0a) {
      length = readLength(c);
      offset = c.pos;
      c.pos += length;
    } else skipField(c, tag);
  }
  c.pos = start;
  return { offset, length };
}

function scanScopes(c: Cursor, groups: ScanGroups, item: (c: Cursor, group: number) => void): void {
  const { offset: resourceOffset, length: resourceLength } = findFirstField(c);
  if (resourceLength > longestValue) groups.mayBeLong = true;
  const service = findServiceName(cursor(c.bytes, resourceOffset, resourceOffset + resourceLength));
  while (c.pos < c.end) {
    const tag = readTag(c);
    if (tag !== 0x12) {
      skipField(c, tag);
      continue;
    }
    const length = readLength(c);
    const scoped = cursor(c.bytes, c.pos, c.pos + length);
    c.pos += length;
    const group = groups.count++;
    groups.resourceOffset[group] = resourceOffset;
    groups.resourceLength[group] = resourceLength;
    groups.scopeOffset[group] = scoped.pos;
    groups.scopeLength[group] = 0;
    groups.serviceOffset[group] = service.offset;
    groups.serviceLength[group] = service.length;
    scanItems(scoped, groups, group, item);
    const scopeOffset = groups.scopeOffset[group] as number;
    if ((groups.scopeLength[group] as number) > longestValue) groups.mayBeLong = true;
    const scopeEnd = scopeOffset + (groups.scopeLength[group] as number);
    checkAttributeList(cursor(c.bytes, scopeOffset, scopeEnd), 0x1a);
  }
}

/** Notes the scope when it comes by: looking ahead for it would step over every item twice. */
function scanItems(
  c: Cursor,
  groups: ScanGroups,
  group: number,
  item: (c: Cursor, group: number) => void,
): void {
  const end = c.end;
  while (c.pos < end) {
    const tag = readTag(c);
    if (tag !== 0x12 && tag !== 0x0a) {
      skipField(c, tag);
      continue;
    }
    const length = readLength(c);
    if (tag === 0x0a) {
      groups.scopeOffset[group] = c.pos;
      groups.scopeLength[group] = length;
      c.pos += length;
      continue;
    }
    c.end = c.pos + length;
    item(c, group);
    c.pos = c.end;
    c.end = end;
  }
}

const serviceKey = Buffer.from("service.name");

function findServiceName(c: Cursor): Range {
  let found = { offset: c.pos, length: 0 };
  while (c.pos < c.end) {
    const tag = readTag(c);
    if (tag !== 0x0a) {
      skipField(c, tag);
      continue;
    }
    const length = readLength(c);
    const attribute = cursor(c.bytes, c.pos, c.pos + length);
    c.pos += length;
    let isService = false;
    let value = { offset: 0, length: 0 };
    while (attribute.pos < attribute.end) {
      const field = readTag(attribute);
      if (field !== 0x0a && field !== 0x12) {
        skipField(attribute, field);
        continue;
      }
      const size = readLength(attribute);
      const at = attribute.pos;
      attribute.pos += size;
      if (field === 0x0a) isService = serviceKey.equals(c.bytes.subarray(at, at + size));
      else {
        value = findText(cursor(c.bytes, at, at + size));
        checkValue(cursor(c.bytes, at, at + size), 1);
      }
    }
    if (isService && value.length > 0) found = value;
  }
  return found;
}

/** Where the text of an AnyValue lies; length 0 when it is no text. */
function findText(c: Cursor): Range {
  let found = { offset: c.pos, length: 0 };
  while (c.pos < c.end) {
    const tag = readTag(c);
    if (tag === 0x0a) {
      const length = readLength(c);
      found = { offset: c.pos, length };
      c.pos += length;
    } else skipField(c, tag);
  }
  return found;
}
