/**
 * An append-only log in segment files. Every record is written before it is indexed or
 * acknowledged, so whatever was acknowledged is there after `kill -9`. What is stored is what was
 * received; the index in memory points into it.
 *
 * Segment file: header of 32 bytes, then records.
 *   header  "LABSTORE" | u32 format version | u32 0 | f64 number of its first record | f64 created, ms
 *   record  u32 length of payload | u32 CRC-32 of all that follows | u8 kind | 3 × u8 0 | f64 received, ms | payload
 * All little-endian.
 */
export const recordKind = { traces: 1, logs: 2, metrics: 3, envelope: 4, carry: 5 } as const;
export type RecordKind = (typeof recordKind)[keyof typeof recordKind];

export const magic = "LABSTORE";
/** 2 knows carries. Version 1 is read as well. */
export const formatVersion = 2;
export const oldestFormatVersion = 1;
export const segmentHeaderBytes = 32;
export const recordHeaderBytes = 20;
/** A length beyond this is damage, not data. */
export const maxPayloadBytes = 64 * 1024 * 1024;

/** A record to be written. `receivedAt`: when its content came, milliseconds since the epoch. */
export interface NewRecord {
  readonly kind: RecordKind;
  readonly payload: Uint8Array;
  readonly receivedAt: number;
}

/**
 * Leads the records in which pinned runs are carried over from a segment that goes: u32 number of
 * that segment | u32 0 | f64 bytes of the records that follow. They count all or not at all: with
 * some, what the old segment still has would be there twice.
 */
export interface Carry {
  readonly segment: number;
  readonly bytes: number;
}

export const readCarry = (payload: Buffer): Carry => ({
  segment: payload.readUInt32LE(0),
  bytes: payload.readDoubleLE(8),
});

export function carryPayload({ segment, bytes }: Carry): Buffer {
  const payload = Buffer.alloc(16);
  payload.writeUInt32LE(segment, 0);
  payload.writeDoubleLE(bytes, 8);
  return payload;
}

/** Where a record's payload lies, and when and as which record of all it came. */
export interface RecordPlace {
  readonly segment: number;
  /** Byte offset of the payload in the segment file. */
  readonly offset: number;
  /** Position among all records ever appended, from 0. */
  readonly ordinal: number;
  /** Milliseconds since the epoch. */
  readonly receivedAt: number;
}
