import type { Answer, Call } from "./call.ts";
import { S3Error } from "./s3-error.ts";
import { newVersionId, type ObjectVersion, type Storage, type Version } from "./storage.ts";

/**
 * The version a read asks for.
 * @throws S3Error `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed` for a delete marker.
 */
export function findVersion(
  storage: Storage,
  bucketName: string,
  key: string,
  versionId: string | undefined,
): ObjectVersion {
  const versions = storage.bucket(bucketName).keys.get(key) ?? [];
  const found =
    versionId === undefined
      ? versions[0]
      : versions.find((version) => version.versionId === versionId);
  if (versionId !== undefined && found === undefined) {
    throw new S3Error("NoSuchVersion", undefined, { Key: key, VersionId: versionId });
  }
  if (found?.kind === "marker" && versionId !== undefined) throw new S3Error("MethodNotAllowed");
  if (found === undefined || found.kind === "marker") {
    throw new S3Error("NoSuchKey", undefined, { Key: key, BucketName: bucketName });
  }
  return found;
}

/** What an answer says of the version it is about: nothing in a bucket without versioning. */
export const versionHeader = ({ versionId }: Pick<Version, "versionId">): Answer["headers"] =>
  versionId === "null" ? {} : { "x-amz-version-id": versionId };

/** Puts a version on top of a key's, as the bucket's versioning says. Runs inside `exclusive`. */
export async function place(
  storage: Storage,
  bucketName: string,
  key: string,
  make: (versionId: string) => Version,
): Promise<Version> {
  const bucket = storage.bucket(bucketName);
  const older = bucket.keys.get(key) ?? [];
  const version = make(bucket.settings.versioning === "enabled" ? newVersionId() : "null");
  await storage.saveKey(bucketName, key, [
    version,
    ...older.filter(({ versionId }) => versionId !== version.versionId),
  ]);
  return version;
}

/** Deletes one key or version. What is not there is deleted already. Runs inside `exclusive`. */
export async function deleteOne(
  { storage, now, request }: Call,
  key: string,
  versionId: string | undefined,
): Promise<{ readonly versionId?: string; readonly marker: boolean }> {
  const bucket = storage.bucket(request.bucket);
  const versions = bucket.keys.get(key) ?? [];
  if (versionId !== undefined) {
    const found = versions.find((version) => version.versionId === versionId);
    if (found)
      await storage.saveKey(
        request.bucket,
        key,
        versions.filter((version) => version !== found),
      );
    return { versionId, marker: found?.kind === "marker" };
  }
  if (bucket.settings.versioning === "off") {
    if (versions.length > 0) await storage.saveKey(request.bucket, key, []);
    return { marker: false };
  }
  const marker = await place(storage, request.bucket, key, (id) => ({
    kind: "marker",
    versionId: id,
    modifiedAt: now(),
  }));
  return { versionId: marker.versionId, marker: true };
}
