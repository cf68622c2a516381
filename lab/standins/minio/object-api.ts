import { readRange } from "./byte-range.ts";
import {
  type Answer,
  type Call,
  type Handler,
  httpDate,
  isoDate,
  noContent,
  quoted,
  xmlAnswer,
} from "./call.ts";
import { checkRead, checkWrite } from "./conditions.ts";
import {
  asHeaders,
  checksumElement,
  checksumHeader,
  objectHeaders,
  refuseEncryption,
  tagsOf,
} from "./object-headers.ts";
import { openPayload, readDocument } from "./payload.ts";
import { headerOf, queryOf, type S3Request, wholeNumber } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import type { ObjectVersion, Storage, Version } from "./storage.ts";
import { current, newVersionId } from "./storage.ts";
import { parse } from "./xml.ts";

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

/** Query parameters by which a reader chooses headers of the answer. */
const overrides = [
  "content-type",
  "content-language",
  "expires",
  "cache-control",
  "content-disposition",
  "content-encoding",
];

export const getObject: Handler = ({ request, storage }) => {
  const version = findVersion(storage, request.bucket, request.key, queryOf(request, "versionId"));
  const headers: Record<string, string | undefined> = {
    ...asHeaders(version),
    ...versionHeader(version),
    etag: quoted(version.etag),
    "last-modified": httpDate(version.modifiedAt),
    "accept-ranges": "bytes",
  };
  if (checkRead(request, version) === "unchanged") {
    return { status: 304, headers: { ...headers, "content-type": undefined } };
  }
  for (const name of overrides) {
    const value = queryOf(request, `response-${name}`);
    if (value !== undefined) headers[name] = value;
  }
  const part = partRange(request, version);
  const range = part ?? readRange(headerOf(request, "range"), version.size);
  if (
    range === undefined &&
    headerOf(request, "x-amz-checksum-mode")?.toUpperCase() === "ENABLED" &&
    version.checksum
  ) {
    headers[checksumHeader(version.checksum.algorithm)] = version.checksum.value;
    headers["x-amz-checksum-type"] = version.checksum.type;
  }
  if (part)
    headers["x-amz-mp-parts-count"] = version.inParts ? String(version.segments.length) : undefined;
  const { from, to } = range ?? { from: 0, to: version.size - 1 };
  headers["content-length"] = String(to - from + 1);
  if (range) headers["content-range"] = `bytes ${from}-${to}/${version.size}`;
  const answer = { status: range ? 206 : 200, headers };
  return request.method === "HEAD"
    ? answer
    : { ...answer, body: storage.data.read(version.segments, from, to) };
};

/** `partNumber` reads one part of an object as it was uploaded. */
function partRange(
  request: S3Request,
  version: ObjectVersion,
): { from: number; to: number } | undefined {
  const text = queryOf(request, "partNumber");
  if (text === undefined) return undefined;
  if (headerOf(request, "range") !== undefined) {
    throw new S3Error(
      "InvalidRequest",
      "Cannot specify both Range header and partNumber query parameter",
    );
  }
  const number = wholeNumber(text, "partNumber", 10_000);
  const segment = version.segments[number - 1];
  if (segment === undefined)
    throw new S3Error("InvalidRange", "The requested partnumber is not satisfiable.");
  const from = version.segments.slice(0, number - 1).reduce((sum, { size }) => sum + size, 0);
  return { from, to: from + segment.size - 1 };
}

export const putObject: Handler = async (call) => {
  const { request, authorised, storage, now } = call;
  refuseEncryption(request);
  const headers = objectHeaders(request);
  // Before the bytes, to refuse early; and after them, because that may be long ago.
  checkWrite(request, current(storage.bucket(request.bucket), request.key));
  const payload = openPayload(request, authorised, storage.limits.objectBytes);
  const segment = await storage.data.write(payload.chunks);
  const { size, md5, checksum } = payload.received();
  try {
    const placed = await storage.exclusive(() => {
      checkWrite(request, current(storage.bucket(request.bucket), request.key));
      return place(storage, request.bucket, request.key, (versionId) => ({
        kind: "object",
        ...{ versionId, modifiedAt: now(), etag: md5, size, ...headers },
        segments: [segment],
        inParts: false,
        checksum: checksum && { ...checksum, type: "FULL_OBJECT" },
      }));
    });
    return {
      status: 200,
      headers: {
        etag: quoted(md5),
        ...versionHeader(placed),
        ...(checksum
          ? {
              [checksumHeader(checksum.algorithm)]: checksum.value,
              "x-amz-checksum-type": "FULL_OBJECT",
            }
          : {}),
      },
    };
  } catch (error) {
    await storage.data.release([segment]);
    throw error;
  }
};

/** `x-amz-copy-source`: `/bucket/key?versionId=…`, encoded. */
export function copySource(call: Call): {
  readonly source: ObjectVersion;
  readonly isSelf: boolean;
} {
  const { request, storage } = call;
  const [path = "", query = ""] = (headerOf(request, "x-amz-copy-source") ?? "").split("?");
  let decoded: string;
  try {
    decoded = decodeURIComponent(path).replace(/^\//, "");
  } catch {
    throw new S3Error("InvalidArgument", "Copy Source must mention the source bucket and key.");
  }
  const slash = decoded.indexOf("/");
  if (slash < 1 || slash === decoded.length - 1) {
    throw new S3Error(
      "InvalidArgument",
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey.",
    );
  }
  const [bucket, key] = [decoded.slice(0, slash), decoded.slice(slash + 1)];
  const versionId = new URLSearchParams(query).get("versionId") ?? undefined;
  const source = findVersion(storage, bucket, key, versionId);
  if (checkRead(request, source, "x-amz-copy-source-") === "unchanged")
    throw new S3Error("PreconditionFailed");
  return {
    source,
    isSelf: bucket === request.bucket && key === request.key && versionId === undefined,
  };
}

export const copyObject: Handler = async (call) => {
  const { request, storage, now } = call;
  refuseEncryption(request);
  const replaces = headerOf(request, "x-amz-metadata-directive")?.toUpperCase() === "REPLACE";
  const replacesTags = headerOf(request, "x-amz-tagging-directive")?.toUpperCase() === "REPLACE";
  const own = objectHeaders(request);
  const copied = await storage.exclusive(async () => {
    const { source, isSelf } = copySource(call);
    checkWrite(request, current(storage.bucket(request.bucket), request.key));
    if (isSelf && !replaces) {
      throw new S3Error(
        "InvalidRequest",
        "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
      );
    }
    const segments = await Promise.all(
      source.segments.map((segment) => storage.data.link(segment)),
    );
    try {
      return await place(storage, request.bucket, request.key, (versionId) => ({
        ...source,
        ...(replaces ? { system: own.system, metadata: own.metadata } : {}),
        ...(replacesTags ? { tags: own.tags } : {}),
        ...{ versionId, modifiedAt: now(), segments },
      }));
    } catch (error) {
      await storage.data.release(segments);
      throw error;
    }
  });
  const etag = copied.kind === "object" ? quoted(copied.etag) : "";
  return xmlAnswer(
    "CopyObjectResult",
    { ETag: etag, LastModified: isoDate(copied.modifiedAt) },
    versionHeader(copied),
  );
};

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

export const deleteObject: Handler = async (call) => {
  const { request, storage } = call;
  const deleted = await storage.exclusive(() => {
    const existing = current(storage.bucket(request.bucket), request.key);
    if (headerOf(request, "if-match") !== undefined) checkWrite(request, existing);
    return deleteOne(call, request.key, queryOf(request, "versionId"));
  });
  return {
    ...noContent,
    headers: {
      "x-amz-version-id": deleted.versionId === "null" ? undefined : deleted.versionId,
      "x-amz-delete-marker": deleted.marker ? "true" : undefined,
    },
  };
};

const tagging = (call: Call, tags: ObjectVersion["tags"]): Promise<ObjectVersion> =>
  call.storage.exclusive(async () => {
    const { request, storage } = call;
    const version = findVersion(
      storage,
      request.bucket,
      request.key,
      queryOf(request, "versionId"),
    );
    const versions = storage.bucket(request.bucket).keys.get(request.key) ?? [];
    await storage.saveKey(
      request.bucket,
      request.key,
      versions.map((each) => (each === version ? { ...version, tags } : each)),
    );
    return version;
  });

export const getObjectTagging: Handler = ({ request, storage }) => {
  const version = findVersion(storage, request.bucket, request.key, queryOf(request, "versionId"));
  return xmlAnswer(
    "Tagging",
    { TagSet: { Tag: Object.entries(version.tags).map(([Key, Value]) => ({ Key, Value })) } },
    versionHeader(version),
  );
};
export const putObjectTagging: Handler = async (call) => {
  const tags = tagsOf(parse(await readDocument(call.request, call.authorised)));
  return { status: 200, headers: versionHeader(await tagging(call, tags)) ?? {} };
};
export const deleteObjectTagging: Handler = async (call) => ({
  status: 204,
  headers: versionHeader(await tagging(call, {})) ?? {},
});

const attributes = new Set(["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]);

export const getObjectAttributes: Handler = ({ request, storage }) => {
  const version = findVersion(storage, request.bucket, request.key, queryOf(request, "versionId"));
  const asked = new Set(
    (headerOf(request, "x-amz-object-attributes") ?? "").split(",").map((name) => name.trim()),
  );
  for (const name of asked) {
    if (!attributes.has(name))
      throw new S3Error("InvalidArgument", "Invalid attribute name specified.");
  }
  return xmlAnswer(
    "GetObjectAttributesResponse",
    {
      ETag: asked.has("ETag") ? version.etag : undefined,
      Checksum:
        asked.has("Checksum") && version.checksum
          ? {
              [checksumElement(version.checksum.algorithm)]: version.checksum.value.replace(
                /-\d+$/,
                "",
              ),
              ChecksumType: version.checksum.type,
            }
          : undefined,
      ObjectParts:
        asked.has("ObjectParts") && version.inParts
          ? { TotalPartsCount: version.segments.length }
          : undefined,
      StorageClass: asked.has("StorageClass") ? "STANDARD" : undefined,
      ObjectSize: asked.has("ObjectSize") ? version.size : undefined,
    },
    { "last-modified": httpDate(version.modifiedAt), ...versionHeader(version) },
  );
};
