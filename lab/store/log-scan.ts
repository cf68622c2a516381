import { checkValue, scanAttribute } from "./attribute-scan.ts";
import { longestValue } from "./long-values.ts";
import {
  type Cursor,
  readFixed32,
  readInt32,
  readLength,
  readTag,
  skipField,
} from "./protobuf-reader.ts";
import { type ScanGroups, scanGroups, scanResource } from "./scan-group.ts";
import { readId, TooManyItems } from "./span-scan.ts";

/** Most log records one request may bring. */
export const maxLogsPerRequest = 10_000;

/** What one pass over an `ExportLogsServiceRequest` found; see `SpanStage`. */
export interface LogStage {
  count: number;
  /** Records left out because an id had the wrong length. */
  rejected: number;
  readonly groups: ScanGroups;
  readonly group: Uint32Array;
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  /** Four words per record, all 0 when it names no trace. */
  readonly traceId: Uint32Array;
  readonly spanId: Uint32Array;
  /** Nanoseconds since the epoch, low and high word; observed time when the record has no own. */
  readonly time: Uint32Array;
  /** OTLP severity number, 0 to 24. */
  readonly severity: Uint8Array;
  readonly runOffset: Uint32Array;
  readonly runLength: Uint32Array;
}

export function logStage(capacity = maxLogsPerRequest): LogStage {
  return {
    count: 0,
    rejected: 0,
    groups: scanGroups(),
    group: new Uint32Array(capacity),
    offset: new Uint32Array(capacity),
    length: new Uint32Array(capacity),
    traceId: new Uint32Array(capacity * 4),
    spanId: new Uint32Array(capacity * 2),
    time: new Uint32Array(capacity * 2),
    severity: new Uint8Array(capacity),
    runOffset: new Uint32Array(capacity),
    runLength: new Uint32Array(capacity),
  };
}

/** Fills the stage. Throws `MalformedProtobuf` or `TooManyItems`; the stage is then worthless. */
export function scanLogs(bytes: Uint8Array, stage: LogStage): void {
  stage.count = 0;
  stage.rejected = 0;
  scanResource(bytes, stage.groups, (c, group) => scanLog(c, stage, group));
}

function scanLog(c: Cursor, stage: LogStage, group: number): void {
  const row = stage.count;
  if (row >= stage.group.length) throw new TooManyItems(`more than ${stage.group.length} records`);
  stage.group[row] = group;
  stage.offset[row] = c.pos;
  stage.length[row] = c.end - c.pos;
  stage.traceId.fill(0, row * 4, row * 4 + 4);
  stage.spanId.fill(0, row * 2, row * 2 + 2);
  stage.time.fill(0, row * 2, row * 2 + 2);
  stage.severity[row] = 0;
  stage.runLength[row] = 0;
  let observedLow = 0;
  let observedHigh = 0;
  let idsAreValid = true;
  while (c.pos < c.end) {
    const tag = readTag(c);
    switch (tag) {
      case 0x09: // time_unix_nano
        stage.time[row * 2] = readFixed32(c);
        stage.time[row * 2 + 1] = readFixed32(c);
        break;
      case 0x59: // observed_time_unix_nano
        observedLow = readFixed32(c);
        observedHigh = readFixed32(c);
        break;
      case 0x10: {
        // severity_number
        const value = readInt32(c);
        stage.severity[row] = value >= 0 && value <= 24 ? value : 0;
        break;
      }
      case 0x2a: {
        // body
        const length = readLength(c);
        const end = c.end;
        c.end = c.pos + length;
        checkValue(c, 1);
        c.end = end;
        break;
      }
      case 0x32: {
        // attributes
        const before = c.pos;
        const run = scanAttribute(c);
        if (c.pos - before > longestValue) stage.groups.mayBeLong = true;
        if (run.runLength === 0) break;
        stage.runOffset[row] = run.runOffset;
        stage.runLength[row] = run.runLength;
        break;
      }
      case 0x4a: // trace_id
        idsAreValid = readOptionalId(c, stage.traceId, row * 4, 4) && idsAreValid;
        break;
      case 0x52: // span_id
        idsAreValid = readOptionalId(c, stage.spanId, row * 2, 2) && idsAreValid;
        break;
      default:
        skipField(c, tag);
    }
  }
  if (stage.time[row * 2] === 0 && stage.time[row * 2 + 1] === 0) {
    stage.time[row * 2] = observedLow;
    stage.time[row * 2 + 1] = observedHigh;
  }
  if (idsAreValid) stage.count++;
  else stage.rejected++;
}

/** No bytes and all zeros both mean "none"; any other length is wrong. */
function readOptionalId(c: Cursor, target: Uint32Array, at: number, words: number): boolean {
  const before = c.pos;
  const length = readLength(c);
  c.pos = before;
  readId(c, target, at, words);
  if (length === 0) target.fill(0, at, at + words);
  return length === 0 || length === words * 4;
}
