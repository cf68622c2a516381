import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { LogPosition } from "./segment-log.ts";

/**
 * A picture of the index, so that a start need not read the whole log again. It is only ever a
 * shortcut: whatever is wrong with it, the log is read instead.
 *
 * File: "LABINDEX" | u32 format version | u32 CRC-32 of all that follows | u32 bytes of JSON | u32 0 | JSON | typed arrays, raw.
 */
const magic = "LABINDEX";
const formatVersion = 7;
const headerBytes = 24;
const fileName = "index.checkpoint";

/** Small things go into the returned JSON, typed arrays to `put`, always in the same order. */
export type SaveArrays = (put: (array: ArrayBufferView) => void) => unknown;
/** Takes the JSON back and has each typed array filled by `fill`, in the order of saving. */
export type LoadArrays = (json: unknown, fill: (array: ArrayBufferView) => void) => void;

interface Header {
  readonly position: LogPosition;
  readonly index: unknown;
}

/** Writes the checkpoint beside the segments and puts it in place at once. Throws the system's error. */
export function writeCheckpoint(dir: string, position: LogPosition, save: SaveArrays): void {
  const arrays: Uint8Array[] = [];
  const index = save((array) => arrays.push(bytesOf(array)));
  const json = Buffer.from(JSON.stringify({ position, index } satisfies Header));
  const header = Buffer.alloc(headerBytes);
  header.write(magic, "latin1");
  header.writeUInt32LE(formatVersion, 8);
  header.writeUInt32LE(json.length, 16);
  let crc = crc32(json, crc32(header.subarray(16)));
  for (const bytes of arrays) crc = crc32(bytes, crc);
  header.writeUInt32LE(crc, 12);

  const path = join(dir, fileName);
  const fresh = `${path}.new`;
  const fd = openSync(fresh, "w", 0o600);
  try {
    for (const bytes of [header, json, ...arrays]) writeWhole(fd, bytes);
    fsyncSync(fd);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  renameSync(fresh, path);
}

/**
 * Loads the checkpoint and returns where in the log it was taken; undefined when there is none
 * that is whole, of this format and acceptable to `fits`. `load` may then have been called: what it
 * filled is worthless.
 */
export function readCheckpoint(
  dir: string,
  fits: (position: LogPosition) => boolean,
  load: LoadArrays,
): LogPosition | undefined {
  let fd: number;
  try {
    fd = openSync(join(dir, fileName), "r");
  } catch {
    return undefined;
  }
  try {
    const header = Buffer.alloc(headerBytes);
    readWhole(fd, header);
    if (header.toString("latin1", 0, 8) !== magic) return undefined;
    if (header.readUInt32LE(8) !== formatVersion) return undefined;
    const json = Buffer.alloc(header.readUInt32LE(16));
    readWhole(fd, json);
    let crc = crc32(json, crc32(header.subarray(16)));
    const { position, index } = JSON.parse(json.toString("utf8")) as Header;
    if (!fits(position)) return undefined;
    load(index, (array) => {
      const bytes = bytesOf(array);
      readWhole(fd, bytes);
      crc = crc32(bytes, crc);
    });
    return crc === header.readUInt32LE(12) ? position : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function writeWhole(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at);
}

function readWhole(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const read = readSync(fd, bytes, at, bytes.length - at, null);
    if (read === 0) throw new Error("the checkpoint ends early");
    at += read;
  }
}
