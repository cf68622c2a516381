import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ChecksumAlgorithm } from "./checksum.ts";
import { type DataFiles, openDataFiles, type Segment } from "./data-files.ts";
import { readRecords, removeRecord, writeRecord } from "./records.ts";
import { S3Error } from "./s3-error.ts";

export type Texts = Readonly<Record<string, string>>;

/** Of an object in parts, S3 names a checksum either of the whole or of the parts' checksums. */
export interface StoredChecksum {
  readonly algorithm: ChecksumAlgorithm;
  readonly value: string;
  readonly type: "FULL_OBJECT" | "COMPOSITE";
}

/** What travels with an object's bytes. */
export interface ObjectHeaders {
  /** `content-type`, `cache-control` and so on, as they were sent. */
  readonly system: Texts;
  /** `x-amz-meta-*` without the prefix. */
  readonly metadata: Texts;
  readonly tags: Texts;
}
export interface ObjectVersion extends ObjectHeaders {
  readonly kind: "object";
  /** `null` while the bucket keeps no versions. */
  readonly versionId: string;
  /** Milliseconds since 1970. */
  readonly modifiedAt: number;
  /** Without its quotes. */
  readonly etag: string;
  readonly size: number;
  /** One for each part. */
  readonly segments: readonly Segment[];
  readonly inParts: boolean;
  readonly checksum?: StoredChecksum | undefined;
}
/** Stands for a deleted object where older versions are kept. */
export interface DeleteMarker {
  readonly kind: "marker";
  readonly versionId: string;
  readonly modifiedAt: number;
}
export type Version = ObjectVersion | DeleteMarker;

export interface CorsRule {
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  readonly maxAgeSeconds?: number | undefined;
}
interface BucketSettings {
  readonly name: string;
  readonly createdAt: number;
  readonly versioning: "off" | "enabled" | "suspended";
  readonly cors: readonly CorsRule[];
}
export interface Bucket {
  readonly settings: BucketSettings;
  /** Newest version first; never empty. */
  readonly keys: ReadonlyMap<string, readonly Version[]>;
  /** In the order of their UTF-8 bytes. */
  readonly sorted: () => readonly string[];
}

export interface Part {
  readonly number: number;
  readonly etag: string;
  readonly segment: Segment;
  readonly modifiedAt: number;
  readonly checksum?: string | undefined;
}
/** An upload in parts that is not complete. */
export interface Upload {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly startedAt: number;
  readonly headers: ObjectHeaders;
  readonly algorithm?: ChecksumAlgorithm | undefined;
  readonly checksumType: StoredChecksum["type"];
  readonly parts: readonly Part[];
}

export interface Limits {
  readonly objectBytes: number;
  readonly totalBytes: number;
  readonly keys: number;
  readonly uploads: number;
}

/**
 * Buckets, objects and unfinished uploads: an index in memory, a record on disk for each key. Changes
 * run one after the other, so that a condition still holds when its change is made.
 */
export interface Storage {
  readonly data: DataFiles;
  readonly limits: Limits;
  readonly buckets: () => readonly Bucket[];
  /** @throws S3Error `NoSuchBucket`. */
  readonly bucket: (name: string) => Bucket;
  readonly uploads: () => readonly Upload[];
  /** Runs alone among the changes. */
  readonly exclusive: <T>(change: () => Promise<T>) => Promise<T>;
  readonly saveBucket: (settings: BucketSettings) => Promise<void>;
  readonly removeBucket: (name: string) => Promise<void>;
  /** Makes these the versions of a key; bytes that no version names any more are removed. */
  readonly saveKey: (bucket: string, key: string, versions: readonly Version[]) => Promise<void>;
  readonly saveUpload: (upload: Upload) => Promise<void>;
  /** Forgets an upload; its parts stay. */
  readonly forgetUpload: (id: string) => Promise<void>;
}

interface KeyRecord {
  readonly key: string;
  readonly versions: readonly Version[];
}

/** Reads what an earlier process left, and cleans up after one that was killed. */
export async function openStorage(
  dir: string,
  limits: Limits,
  onDamage: (path: string) => void,
): Promise<Storage> {
  const bucketsDir = join(dir, "buckets");
  const uploadsDir = join(dir, "uploads");
  await mkdir(bucketsDir, { recursive: true });
  await mkdir(uploadsDir, { recursive: true });
  const data = await openDataFiles(join(dir, "data"), limits.totalBytes);
  const buckets = new Map<string, MutableBucket>();
  const uploads = new Map<string, Upload>();
  let keyCount = 0;

  const bucketDir = (name: string): string => join(bucketsDir, name);
  const keyPath = (bucket: string, key: string): string =>
    join(bucketDir(bucket), "keys", `${createHash("sha256").update(key).digest("hex")}.json`);
  const uploadPath = (id: string): string => join(uploadsDir, `${id}.json`);

  for (const name of await readdir(bucketsDir)) {
    const [settings] = (await readRecords(bucketDir(name), onDamage)) as BucketSettings[];
    if (settings === undefined) continue;
    const bucket = openBucket(settings);
    const records = (await readRecords(join(bucketDir(name), "keys"), onDamage)) as KeyRecord[];
    for (const { key, versions } of records) bucket.keys.set(key, versions);
    keyCount += bucket.keys.size;
    buckets.set(name, bucket);
  }
  const used = new Set<string>();
  for (const { keys } of buckets.values()) {
    for (const versions of keys.values()) for (const file of filesOf(versions)) used.add(file);
  }
  for (const upload of (await readRecords(uploadsDir, onDamage)) as Upload[]) {
    const files = upload.parts.map(({ segment }) => segment.file);
    // Killed between completing an object and forgetting its upload.
    if (files.some((file) => used.has(file))) await removeRecord(uploadPath(upload.id));
    else uploads.set(upload.id, upload);
  }
  for (const { parts } of uploads.values()) for (const { segment } of parts) used.add(segment.file);
  await data.keepOnly(used);

  let last: Promise<unknown> = Promise.resolve();

  return {
    data,
    limits,
    buckets: () =>
      [...buckets.values()].sort((a, b) => compareBytes(a.settings.name, b.settings.name)),
    bucket(name) {
      const bucket = buckets.get(name);
      if (bucket === undefined) throw new S3Error("NoSuchBucket", undefined, { BucketName: name });
      return bucket;
    },
    uploads: () => [...uploads.values()],
    exclusive(change) {
      const turn = last.then(change);
      last = turn.catch(() => {});
      return turn;
    },
    async saveBucket(settings) {
      await writeRecord(join(bucketDir(settings.name), "bucket.json"), settings);
      const bucket = buckets.get(settings.name);
      if (bucket === undefined) buckets.set(settings.name, openBucket(settings));
      else bucket.settings = settings;
    },
    async removeBucket(name) {
      buckets.delete(name);
      await rm(bucketDir(name), { recursive: true, force: true });
    },
    async saveKey(name, key, versions) {
      const bucket = buckets.get(name);
      if (bucket === undefined) throw new S3Error("NoSuchBucket");
      const before = bucket.keys.get(key) ?? [];
      if (before.length === 0 && versions.length > 0) {
        if (keyCount >= limits.keys) throw new S3Error("XMinioStorageFull");
        keyCount += 1;
        bucket.order = undefined;
      }
      if (versions.length === 0) {
        await removeRecord(keyPath(name, key));
        if (bucket.keys.delete(key)) keyCount -= 1;
        bucket.order = undefined;
      } else {
        await writeRecord(keyPath(name, key), { key, versions } satisfies KeyRecord).catch(
          (error) => {
            if (before.length === 0) keyCount -= 1;
            throw error;
          },
        );
        bucket.keys.set(key, versions);
      }
      const kept = new Set(filesOf(versions));
      await data.release(segmentsOf(before).filter(({ file }) => !kept.has(file)));
    },
    async saveUpload(upload) {
      if (!uploads.has(upload.id) && uploads.size >= limits.uploads)
        throw new S3Error("XMinioStorageFull");
      await writeRecord(uploadPath(upload.id), upload);
      uploads.set(upload.id, upload);
    },
    async forgetUpload(id) {
      uploads.delete(id);
      await removeRecord(uploadPath(id));
    },
  };
}

interface MutableBucket extends Bucket {
  settings: BucketSettings;
  readonly keys: Map<string, readonly Version[]>;
  order: readonly string[] | undefined;
}

function openBucket(settings: BucketSettings): MutableBucket {
  const bucket: MutableBucket = {
    settings,
    keys: new Map(),
    order: undefined,
    sorted() {
      bucket.order ??= [...bucket.keys.keys()].sort(compareBytes);
      return bucket.order;
    },
  };
  return bucket;
}

const segmentsOf = (versions: readonly Version[]): readonly Segment[] =>
  versions.flatMap((version) => (version.kind === "object" ? version.segments : []));
const filesOf = (versions: readonly Version[]): readonly string[] =>
  segmentsOf(versions).map(({ file }) => file);

/** The version that a reader without a version id sees. */
export function current(bucket: Bucket, key: string): ObjectVersion | undefined {
  const newest = bucket.keys.get(key)?.[0];
  return newest?.kind === "object" ? newest : undefined;
}

/** Sorts later than every version id before it would; nothing relies on that. */
export const newVersionId = (): string => randomUUID();

/** Order of the UTF-8 bytes; JavaScript's own differs for characters beyond U+FFFF. */
export function compareBytes(a: string, b: string): number {
  if (/[\ud800-\udfff]/.test(a + b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}
