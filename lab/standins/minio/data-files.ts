import { randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { link, mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { S3Error } from "./s3-error.ts";

/** A run of bytes in a file of its own. An object is one or, uploaded in parts, several. */
export interface Segment {
  readonly file: string;
  readonly size: number;
}

/** The bytes of all objects. A file is written once and never changed; nobody sees it before a record names it. */
export interface DataFiles {
  /** Stores what comes; leaves nothing behind when it breaks off. @throws S3Error `XMinioStorageFull`. */
  readonly write: (chunks: AsyncIterable<Buffer>) => Promise<Segment>;
  /** The same bytes under another name, without copying them. */
  readonly link: (segment: Segment) => Promise<Segment>;
  /** Bytes `from` to `to`, both included, of the segments put together. */
  readonly read: (segments: readonly Segment[], from: number, to: number) => AsyncIterable<Buffer>;
  /** Removes them, once nobody reads them any more. Never rejects. */
  readonly release: (segments: readonly Segment[]) => Promise<void>;
  /** Bytes stored now. */
  readonly bytes: () => number;
  /** Removes every file that is not named: what a crash left behind. */
  readonly keepOnly: (named: ReadonlySet<string>) => Promise<void>;
}

/** @param limit bytes that all objects together may have. */
export async function openDataFiles(dir: string, limit: number): Promise<DataFiles> {
  await mkdir(dir, { recursive: true });
  const path = (file: string): string => join(dir, file);
  const readers = new Map<string, number>();
  const released = new Map<string, number>();
  let bytes = 0;

  async function remove(file: string, size: number): Promise<void> {
    bytes -= size;
    await unlink(path(file)).catch(() => {});
  }

  const files: DataFiles = {
    async write(chunks) {
      const file = randomUUID();
      let size = 0;
      const handle = await open(path(file), "wx").catch(asFull);
      try {
        for await (const chunk of chunks) {
          if (bytes + chunk.length > limit) throw new S3Error("XMinioStorageFull");
          // Counted before it is written: uploads side by side share what is left.
          bytes += chunk.length;
          size += chunk.length;
          await handle.writev([chunk]).catch(asFull);
        }
        await handle.close().catch(asFull);
      } catch (error) {
        await handle.close().catch(() => {});
        await remove(file, size);
        throw error;
      }
      return { file, size };
    },
    async link(segment) {
      if (bytes + segment.size > limit) throw new S3Error("XMinioStorageFull");
      const file = randomUUID();
      await link(path(segment.file), path(file)).catch(asFull);
      bytes += segment.size;
      return { file, size: segment.size };
    },
    async *read(segments, from, to) {
      const names = segments.map(({ file }) => file);
      for (const name of names) readers.set(name, (readers.get(name) ?? 0) + 1);
      try {
        let start = 0;
        for (const { file, size } of segments) {
          const [first, last] = [Math.max(from - start, 0), Math.min(to - start, size - 1)];
          if (first <= last) {
            yield* createReadStream(path(file), {
              start: first,
              end: last,
            }) as AsyncIterable<Buffer>;
          }
          start += size;
        }
      } finally {
        for (const name of names) {
          const left = (readers.get(name) ?? 1) - 1;
          if (left > 0) readers.set(name, left);
          else readers.delete(name);
          const size = released.get(name);
          if (left === 0 && size !== undefined) {
            released.delete(name);
            await remove(name, size);
          }
        }
      }
    },
    async release(segments) {
      for (const { file, size } of segments) {
        if (readers.has(file)) released.set(file, size);
        else await remove(file, size);
      }
    },
    bytes: () => bytes,
    async keepOnly(named) {
      for (const file of await readdir(dir)) {
        if (named.has(file)) bytes += (await stat(path(file))).size;
        else await unlink(path(file)).catch(() => {});
      }
    },
  };
  return files;
}

const noRoom = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** A full disk is the storage's to tell; everything else is a failure. */
export function asFull(error: unknown): never {
  if (error instanceof Error && "code" in error && noRoom.has(String(error.code))) {
    throw new S3Error("XMinioStorageFull");
  }
  throw error;
}
