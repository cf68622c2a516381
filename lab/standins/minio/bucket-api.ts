import { type Call, type Handler, isoDate, noContent, owner, quoted, xmlAnswer } from "./call.ts";
import { listPage } from "./listing.ts";
import { deleteOne } from "./object-versions.ts";
import { readDocument } from "./payload.ts";
import { queryOf, type S3Request, wholeNumber } from "./request.ts";
import { S3Error } from "./s3-error.ts";
import { type CorsRule, current, type ObjectVersion, type Version } from "./storage.ts";
import { childrenOf, childText, parse } from "./xml.ts";

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const bucketName = /^(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
/** Paths of the server itself. */
const reserved = new Set(["minio"]);

export const listBuckets: Handler = ({ storage }) =>
  xmlAnswer("ListAllMyBucketsResult", {
    Owner: owner,
    Buckets: {
      Bucket: storage.buckets().map(({ settings }) => ({
        Name: settings.name,
        CreationDate: isoDate(settings.createdAt),
      })),
    },
  });

export const createBucket: Handler = async ({ request, authorised, storage, now }) => {
  const name = request.bucket;
  if (!bucketName.test(name) || reserved.has(name))
    throw new S3Error("InvalidBucketName", undefined, { BucketName: name });
  await readDocument(request, authorised);
  await storage.exclusive(async () => {
    if (storage.buckets().some(({ settings }) => settings.name === name))
      throw new S3Error("BucketAlreadyOwnedByYou");
    await storage.saveBucket({ name, createdAt: now(), versioning: "off", cors: [] });
  });
  return { status: 200, headers: { location: `/${name}` } };
};

export const headBucket: Handler = ({ request, storage, region }) => {
  storage.bucket(request.bucket);
  return { status: 200, headers: { "x-amz-bucket-region": region } };
};

export const deleteBucket: Handler = async ({ request, storage }) => {
  await storage.exclusive(async () => {
    if (storage.bucket(request.bucket).keys.size > 0) throw new S3Error("BucketNotEmpty");
    for (const upload of storage.uploads().filter(({ bucket }) => bucket === request.bucket)) {
      await storage.forgetUpload(upload.id);
      await storage.data.release(upload.parts.map(({ segment }) => segment));
    }
    await storage.removeBucket(request.bucket);
  });
  return noContent;
};

/** The first region, us-east-1, is the one without a name. */
export const getLocation: Handler = ({ request, storage }) => {
  storage.bucket(request.bucket);
  return xmlAnswer("LocationConstraint", {});
};

/** How an answer writes keys: `encoding-type=url` lets XML carry keys that it otherwise could not. */
function keyWriter(request: S3Request): (key: string) => string {
  const encoding = queryOf(request, "encoding-type");
  if (encoding === undefined) return (key) => key;
  if (encoding !== "url")
    throw new S3Error("InvalidArgument", "Invalid Encoding Method specified in Request");
  return (key) => encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+");
}

interface ListQuery {
  readonly prefix: string;
  readonly delimiter: string;
  readonly most: number;
  readonly write: (key: string) => string;
}
const listQuery = (request: S3Request): ListQuery => ({
  prefix: queryOf(request, "prefix") ?? "",
  delimiter: queryOf(request, "delimiter") ?? "",
  most: Math.min(wholeNumber(queryOf(request, "max-keys") ?? "1000", "max-keys", 2 ** 31), 1000),
  write: keyWriter(request),
});

const objectEntry = (key: string, version: ObjectVersion) => ({
  Key: key,
  LastModified: isoDate(version.modifiedAt),
  ETag: quoted(version.etag),
  ChecksumAlgorithm: version.checksum?.algorithm.toUpperCase(),
  ChecksumType: version.checksum?.type,
  Size: version.size,
  StorageClass: "STANDARD",
});

/** Continuation tokens are opaque to clients; one that is not ours is refused. */
const tokenOf = (key: string): string => Buffer.from(`after:${key}`).toString("base64url");
function keyOfToken(token: string): string {
  const text = Buffer.from(token, "base64url").toString();
  if (!text.startsWith("after:") || tokenOf(text.slice(6)) !== token) {
    throw new S3Error("InvalidArgument", "The continuation token provided is incorrect");
  }
  return text.slice(6);
}

export const listObjectsV2: Handler = ({ request, storage }) => {
  const bucket = storage.bucket(request.bucket);
  const { prefix, delimiter, most, write } = listQuery(request);
  const token = queryOf(request, "continuation-token");
  const startAfter = queryOf(request, "start-after");
  const page = listPage(bucket.sorted(), {
    ...{ prefix, delimiter, most },
    after: token === undefined ? (startAfter ?? "") : keyOfToken(token),
    shown: (key) => current(bucket, key) !== undefined,
  });
  const withOwner = queryOf(request, "fetch-owner") === "true";
  return xmlAnswer("ListBucketResult", {
    ...{ Name: request.bucket, Prefix: write(prefix), MaxKeys: most },
    Delimiter: delimiter === "" ? undefined : write(delimiter),
    EncodingType: queryOf(request, "encoding-type"),
    StartAfter: startAfter === undefined ? undefined : write(startAfter),
    ContinuationToken: token,
    KeyCount: page.keys.length + page.prefixes.length,
    IsTruncated: page.next !== undefined,
    NextContinuationToken: page.next === undefined ? undefined : tokenOf(page.next),
    Contents: page.keys.map((key) => ({
      ...objectEntry(write(key), current(bucket, key) as ObjectVersion),
      Owner: withOwner ? owner : undefined,
    })),
    CommonPrefixes: page.prefixes.map((Prefix) => ({ Prefix: write(Prefix) })),
  });
};

export const listObjects: Handler = ({ request, storage }) => {
  const bucket = storage.bucket(request.bucket);
  const { prefix, delimiter, most, write } = listQuery(request);
  const marker = queryOf(request, "marker") ?? "";
  const page = listPage(bucket.sorted(), {
    ...{ prefix, delimiter, most, after: marker },
    shown: (key) => current(bucket, key) !== undefined,
  });
  return xmlAnswer("ListBucketResult", {
    ...{ Name: request.bucket, Prefix: write(prefix), Marker: write(marker), MaxKeys: most },
    Delimiter: delimiter === "" ? undefined : write(delimiter),
    EncodingType: queryOf(request, "encoding-type"),
    IsTruncated: page.next !== undefined,
    NextMarker: page.next !== undefined && delimiter !== "" ? write(page.next) : undefined,
    Contents: page.keys.map((key) => ({
      ...objectEntry(write(key), current(bucket, key) as ObjectVersion),
      Owner: owner,
    })),
    CommonPrefixes: page.prefixes.map((Prefix) => ({ Prefix: write(Prefix) })),
  });
};

/** Pages end between keys, never between versions of one key. */
export const listObjectVersions: Handler = ({ request, storage }) => {
  const bucket = storage.bucket(request.bucket);
  const { prefix, delimiter, most, write } = listQuery(request);
  const marker = queryOf(request, "key-marker") ?? "";
  const page = listPage(bucket.sorted(), {
    ...{ prefix, delimiter, most, after: marker },
    shown: () => true,
  });
  const entries = page.keys.flatMap((key) =>
    (bucket.keys.get(key) ?? []).map((version, index) => ({ key, version, IsLatest: index === 0 })),
  );
  const common = ({
    key,
    version,
    IsLatest,
  }: {
    key: string;
    version: Version;
    IsLatest: boolean;
  }) => ({
    ...{ Key: write(key), VersionId: version.versionId, IsLatest, Owner: owner },
  });
  return xmlAnswer("ListVersionsResult", {
    ...{ Name: request.bucket, Prefix: write(prefix), KeyMarker: write(marker), MaxKeys: most },
    EncodingType: queryOf(request, "encoding-type"),
    IsTruncated: page.next !== undefined,
    NextKeyMarker: page.next === undefined ? undefined : write(page.next),
    Version: entries.flatMap(({ key, version, IsLatest }) =>
      version.kind === "object"
        ? [{ ...objectEntry(write(key), version), ...common({ key, version, IsLatest }) }]
        : [],
    ),
    DeleteMarker: entries.flatMap(({ key, version, IsLatest }) =>
      version.kind === "marker"
        ? [{ ...common({ key, version, IsLatest }), LastModified: isoDate(version.modifiedAt) }]
        : [],
    ),
    CommonPrefixes: page.prefixes.map((Prefix) => ({ Prefix: write(Prefix) })),
  });
};

export const deleteObjects: Handler = async (call) => {
  const { request, authorised, storage } = call;
  const root = parse(await readDocument(request, authorised));
  const asked = childrenOf(root, "Object").map((object) => ({
    key: childrenOf(object, "Key")[0]?.text,
    versionId: childText(object, "VersionId"),
  }));
  if (root.name !== "Delete" || asked.length === 0 || asked.length > 1000)
    throw new S3Error("MalformedXML");
  storage.bucket(request.bucket);
  const quiet = childText(root, "Quiet") === "true";
  const deleted: object[] = [];
  const errors: object[] = [];
  for (const { key, versionId } of asked) {
    if (key === undefined || key === "") throw new S3Error("MalformedXML");
    try {
      const result = await storage.exclusive(() => deleteOne(call, key, versionId));
      deleted.push({
        Key: key,
        VersionId: versionId,
        DeleteMarker: result.marker ? true : undefined,
        DeleteMarkerVersionId: result.marker ? result.versionId : undefined,
      });
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      errors.push({ Key: key, Code: error.code, Message: error.message });
    }
  }
  return xmlAnswer("DeleteResult", {
    Deleted: quiet ? [] : (deleted as never),
    Error: errors as never,
  });
};

export const getVersioning: Handler = ({ request, storage }) => {
  const { versioning } = storage.bucket(request.bucket).settings;
  const status = { off: undefined, enabled: "Enabled", suspended: "Suspended" }[versioning];
  return xmlAnswer("VersioningConfiguration", { Status: status });
};
export const putVersioning: Handler = async ({ request, authorised, storage }) => {
  const status = childText(parse(await readDocument(request, authorised)), "Status");
  if (status !== "Enabled" && status !== "Suspended") throw new S3Error("MalformedXML");
  await storage.exclusive(() =>
    storage.saveBucket({
      ...storage.bucket(request.bucket).settings,
      versioning: status === "Enabled" ? "enabled" : "suspended",
    }),
  );
  return { status: 200 };
};

export const getCors: Handler = ({ request, storage }) => {
  const { cors } = storage.bucket(request.bucket).settings;
  if (cors.length === 0) throw new S3Error("NoSuchCORSConfiguration");
  return xmlAnswer("CORSConfiguration", {
    CORSRule: cors.map((rule) => ({
      AllowedHeader: rule.headers,
      AllowedMethod: rule.methods,
      AllowedOrigin: rule.origins,
      ExposeHeader: rule.exposed,
      MaxAgeSeconds: rule.maxAgeSeconds,
    })),
  });
};
export const putCors: Handler = async (call) => {
  const root = parse(await readDocument(call.request, call.authorised));
  const rules = childrenOf(root, "CORSRule").map((rule): CorsRule => {
    const texts = (name: string): string[] => childrenOf(rule, name).map(({ text }) => text.trim());
    const age = childText(rule, "MaxAgeSeconds");
    return {
      origins: texts("AllowedOrigin"),
      methods: texts("AllowedMethod"),
      headers: texts("AllowedHeader"),
      exposed: texts("ExposeHeader"),
      maxAgeSeconds: age === undefined ? undefined : wholeNumber(age, "MaxAgeSeconds", 2 ** 31),
    };
  });
  if (root.name !== "CORSConfiguration" || rules.length === 0 || rules.length > 100)
    throw new S3Error("MalformedXML");
  await saveCors(call, rules);
  return { status: 200 };
};
export const deleteCors: Handler = async (call) => {
  await saveCors(call, []);
  return noContent;
};
const saveCors = ({ request, storage }: Call, cors: readonly CorsRule[]): Promise<void> =>
  storage.exclusive(() => storage.saveBucket({ ...storage.bucket(request.bucket).settings, cors }));

/** Everything belongs to the one account, which may do everything. */
export const getAcl: Handler = ({ request, storage }) => {
  storage.bucket(request.bucket);
  return xmlAnswer("AccessControlPolicy", {
    Owner: owner,
    AccessControlList: { Grant: { Grantee: owner, Permission: "FULL_CONTROL" } },
  });
};
/** What a bucket can have in S3 and has not here. */
export const absent =
  (
    code:
      | "NoSuchBucketPolicy"
      | "NoSuchLifecycleConfiguration"
      | "NoSuchTagSet"
      | "ServerSideEncryptionConfigurationNotFoundError",
  ): Handler =>
  ({ request, storage }) => {
    storage.bucket(request.bucket);
    throw new S3Error(code);
  };
