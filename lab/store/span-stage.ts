import { type ScanGroups, scanGroups } from "./scan-group.ts";

/** Most spans one request may bring. */
export const maxSpansPerRequest = 10_000;

/** What is worth knowing of a span without reading it, as bits. */
export const spanMark = {
  /** It has events. */
  events: 1,
  /** It starts or ends more than a day before or after it arrived: its clock is wrong. */
  farOff: 2,
} as const;

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
  /** See {@link spanMark}. */
  readonly marks: Uint8Array;
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
    marks: new Uint8Array(capacity),
    nameOffset: new Uint32Array(capacity),
    nameLength: new Uint32Array(capacity),
    hashes: new Uint32Array(capacity * 4),
    hashCount: 0,
    hashStart: new Uint32Array(capacity + 1),
    runOffset: new Uint32Array(capacity),
    runLength: new Uint32Array(capacity),
  };
}

/** Makes room for so many hashes more. */
export function reserveHashes(stage: SpanStage, more: number): Uint32Array {
  const wanted = stage.hashCount + more;
  if (wanted > stage.hashes.length) {
    const grown = new Uint32Array(Math.max(wanted, stage.hashes.length * 2));
    grown.set(stage.hashes);
    stage.hashes = grown;
  }
  return stage.hashes;
}

/** Appends the hash of an attribute of the span that is being scanned. */
export function stageHash(stage: SpanStage, hash: number): void {
  if (stage.hashCount === stage.hashes.length) {
    const grown = new Uint32Array(stage.hashes.length * 2);
    grown.set(stage.hashes);
    stage.hashes = grown;
  }
  stage.hashes[stage.hashCount++] = hash;
}

/**
 * Puts a span in the place of an earlier one, right behind those that are kept; the spans between the
 * two are gone then.
 */
export function moveStaged(s: SpanStage, from: number, to: number): void {
  for (const column of [
    ...[s.group, s.offset, s.length, s.kind, s.status, s.marks],
    ...[s.nameOffset, s.nameLength, s.runOffset, s.runLength],
  ])
    column[to] = column[from] as number;
  for (const pairs of [s.spanId, s.parentId, s.start, s.end])
    pairs.copyWithin(to * 2, from * 2, from * 2 + 2);
  s.traceId.copyWithin(to * 4, from * 4, from * 4 + 4);
  const hashes = s.hashStart[from] as number;
  const beyond = s.hashStart[from + 1] as number;
  const target = s.hashStart[to] as number;
  s.hashes.copyWithin(target, hashes, beyond);
  s.hashStart[to + 1] = target + beyond - hashes;
}
