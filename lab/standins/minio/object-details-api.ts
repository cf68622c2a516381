import { type Call, type Handler, httpDate, xmlAnswer } from "./call.ts";
import { checksumElement, tagsOf } from "./object-headers.ts";
import { findVersion, versionHeader } from "./object-versions.ts";
import { readDocument } from "./payload.ts";
import { headerOf, queryOf } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import type { ObjectVersion } from "./storage.ts";
import { parse } from "./xml.ts";

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
