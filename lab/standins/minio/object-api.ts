import { readRange } from "./byte-range.ts";
import {
  type Call,
  type Handler,
  httpDate,
  isoDate,
  noContent,
  quoted,
  xmlAnswer,
} from "./call.ts";
import { checkRead, checkWrite } from "./conditions.ts";
import { asHeaders, checksumHeader, objectHeaders, refuseEncryption } from "./object-headers.ts";
import { deleteOne, findVersion, place, versionHeader } from "./object-versions.ts";
import { openPayload } from "./payload.ts";
import { headerOf, queryOf, type S3Request, wholeNumber } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import { current, type ObjectVersion } from "./storage.ts";

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
