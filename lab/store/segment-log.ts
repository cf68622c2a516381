import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
  writevSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  carryPayload,
  formatVersion,
  magic,
  type NewRecord,
  type RecordKind,
  type RecordPlace,
  recordHeaderBytes,
  recordKind,
  segmentHeaderBytes,
} from "./segment-format.ts";
import {
  type Damage,
  fileSpace,
  type Replay,
  replaySegment,
  type Segment,
} from "./segment-replay.ts";

/** A place between two records. */
export interface LogPosition {
  readonly segment: number;
  readonly offset: number;
  /** Number of the record that follows. */
  readonly ordinal: number;
}

export interface SegmentLogOptions {
  readonly dir: string;
  /** `append` waits for the disk, not only for the operating system. */
  readonly fsync: boolean;
  /** A segment that reaches this size is closed and the next one begun. */
  readonly segmentBytes: number;
  readonly now: () => number;
  /** Records before this are known already and not replayed. */
  readonly from?: LogPosition | undefined;
}

export interface SegmentLog {
  readonly dir: string;
  /** Writes one record. Throws the system's error (`ENOSPC`…) and leaves no partial record behind. */
  readonly append: (kind: RecordKind, payload: Uint8Array) => RecordPlace;
  /** Writes the records that carry on what a segment held of pinned runs: all of them, or it throws. */
  readonly appendCarry: (segment: number, records: readonly NewRecord[]) => readonly RecordPlace[];
  /** Resolves when all that was appended is as durable as the options ask. */
  readonly durable: () => Promise<void>;
  /** Reads `target.length` bytes of a segment. */
  readonly read: (segment: number, offset: number, target: Uint8Array) => number;
  /** Bytes on disk, all segments. */
  readonly bytes: () => number;
  readonly damage: readonly Damage[];
  readonly segments: () => readonly SegmentInfo[];
  /** Behind the newest record. */
  readonly position: () => LogPosition;
  /** Deletes a segment's file. The newest one stays. */
  readonly drop: (segment: number) => void;
  readonly close: () => void;
}

export interface SegmentInfo {
  readonly id: number;
  readonly bytes: number;
}

/** Opens the folder's log and calls `replay` with every whole record, oldest first. */
export function openSegmentLog(options: SegmentLogOptions, replay: Replay): SegmentLog {
  const { dir, fsync, segmentBytes, now, from } = options;
  const damage: Damage[] = [];
  const segments = new Map<number, Segment>();
  let ordinal = 0;

  const space = fileSpace();
  for (const id of existingSegments(dir)) {
    const segment = openSegment(id, "r+");
    if (from !== undefined && id < from.segment) {
      segments.set(id, segment);
      continue;
    }
    const known = id === from?.segment ? from : undefined;
    const next = replaySegment(
      segment,
      known?.ordinal ?? ordinal,
      known?.offset,
      replay,
      damage,
      space,
    );
    if (next === undefined) {
      closeSync(segment.fd);
      renameSync(segment.path, `${segment.path}.bad-${now()}`);
      continue;
    }
    segments.set(id, segment);
    ordinal = next;
  }
  let current = [...segments.values()].at(-1) ?? begin(1);

  function openSegment(id: number, flags: string): Segment {
    const path = join(dir, segmentName(id));
    const fd = openSync(path, flags, 0o600);
    return { id, path, fd, bytes: fstatSync(fd).size };
  }

  function begin(id: number): Segment {
    const segment = openSegment(id, "wx+");
    const header = Buffer.alloc(segmentHeaderBytes);
    header.write(magic, "latin1");
    header.writeUInt32LE(formatVersion, 8);
    header.writeDoubleLE(ordinal, 16);
    header.writeDoubleLE(now(), 24);
    try {
      writeAll(segment, [header]);
    } catch (error) {
      closeSync(segment.fd);
      unlinkSync(segment.path);
      throw error;
    }
    segments.set(id, segment);
    return segment;
  }

  const append = (kind: RecordKind, payload: Uint8Array): RecordPlace =>
    appendAll([{ kind, payload, receivedAt: now() }])[0] as RecordPlace;

  function appendCarry(segment: number, records: readonly NewRecord[]): readonly RecordPlace[] {
    const bytes = records.reduce((sum, { payload }) => sum + recordHeaderBytes + payload.length, 0);
    const payload = carryPayload({ segment, bytes });
    return appendAll([{ kind: recordKind.carry, payload, receivedAt: now() }, ...records]).slice(1);
  }

  /** Into one segment, and all or none of them. */
  function appendAll(records: readonly NewRecord[]): readonly RecordPlace[] {
    if (current.bytes >= segmentBytes) {
      if (fsync) fdatasyncSync(current.fd);
      current = begin(current.id + 1);
    }
    let offset = current.bytes;
    const places: RecordPlace[] = [];
    const parts: Uint8Array[] = [];
    for (const { kind, payload, receivedAt } of records) {
      const header = Buffer.alloc(recordHeaderBytes);
      header.writeUInt32LE(payload.length, 0);
      header.writeUInt8(kind, 8);
      header.writeDoubleLE(receivedAt, 12);
      header.writeUInt32LE(crc32(payload, crc32(header.subarray(8))), 4);
      parts.push(header, payload);
      offset += recordHeaderBytes;
      places.push({ segment: current.id, offset, ordinal: ordinal + places.length, receivedAt });
      offset += payload.length;
    }
    writeAll(current, parts);
    ordinal += places.length;
    return places;
  }

  let syncing: Promise<void> | undefined;
  let queued: Promise<void> | undefined;
  const sync = (): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    fdatasync(current.fd, (error) => (error ? reject(error) : resolve()));
    return promise;
  };
  /** One sync serves all who asked before it began; who asks meanwhile waits for the next. */
  function durable(): Promise<void> {
    if (!fsync) return Promise.resolve();
    if (syncing === undefined) {
      syncing = sync().finally(() => {
        syncing = undefined;
      });
      return syncing;
    }
    queued ??= syncing.then(
      () => next(),
      () => next(),
    );
    return queued;
  }
  function next(): Promise<void> {
    queued = undefined;
    return durable();
  }

  return {
    dir,
    append,
    appendCarry,
    durable,
    read: (id, offset, target) => {
      const segment = segments.get(id);
      return segment === undefined ? 0 : readSync(segment.fd, target, 0, target.length, offset);
    },
    bytes: () => segments.values().reduce((sum, segment) => sum + segment.bytes, 0),
    damage,
    position: () => ({ segment: current.id, offset: current.bytes, ordinal }),
    segments: () => [...segments.values()].map(({ id, bytes }) => ({ id, bytes })),
    drop: (id) => {
      const segment = segments.get(id);
      if (segment === undefined || segment === current) return;
      // What was carried over from it must not be in memory only.
      if (fsync) fdatasyncSync(current.fd);
      segments.delete(id);
      closeSync(segment.fd);
      unlinkSync(segment.path);
    },
    close: () => {
      fdatasyncSync(current.fd);
      for (const segment of segments.values()) closeSync(segment.fd);
      segments.clear();
    },
  };
}

/** Size of each segment file, by id. */
export function segmentSizes(dir: string): ReadonlyMap<number, number> {
  return new Map(
    existingSegments(dir).map((id) => [id, statSync(join(dir, segmentName(id))).size]),
  );
}

const segmentName = (id: number): string => `segment-${String(id).padStart(8, "0")}.log`;

function existingSegments(dir: string): readonly number[] {
  return readdirSync(dir)
    .map((name) => /^segment-(\d{8})\.log$/.exec(name)?.[1])
    .filter((id) => id !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Writes at the end of the segment, or leaves it exactly as it was. */
function writeAll(segment: Segment, parts: readonly Uint8Array[]): void {
  const start = segment.bytes;
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  try {
    let done = writevSync(segment.fd, parts, start);
    // A nearly full disk takes a part and reports the rest only at the next write.
    if (done < total) {
      const whole = Buffer.concat(parts);
      while (done < total) done += writeSync(segment.fd, whole, done, total - done, start + done);
    }
    segment.bytes = start + total;
  } catch (error) {
    ftruncateSync(segment.fd, start);
    throw error;
  }
}
