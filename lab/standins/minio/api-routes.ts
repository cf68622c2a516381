import * as bucket from "./bucket-api.ts";
import type { Handler } from "./call.ts";
import * as multipart from "./multipart-api.ts";
import * as object from "./object-api.ts";
import * as details from "./object-details-api.ts";
import { headerOf, queryOf, type S3Request } from "./request.ts";
import { S3Error } from "./s3-error.ts";

/** An operation of S3's API: its name as metrics label it, and what does it. */
export interface Operation {
  readonly name: string;
  readonly handle: Handler;
}

/** Method and, behind a question mark, the query parameter that chooses. The first that is there wins. */
const ofService = { GET: ["ListBuckets", bucket.listBuckets] } as const;
const ofBucket: Readonly<Record<string, readonly [string, Handler]>> = {
  "GET ?location": ["GetBucketLocation", bucket.getLocation],
  "GET ?versioning": ["GetBucketVersioning", bucket.getVersioning],
  "PUT ?versioning": ["PutBucketVersioning", bucket.putVersioning],
  "GET ?cors": ["GetBucketCors", bucket.getCors],
  "PUT ?cors": ["PutBucketCors", bucket.putCors],
  "DELETE ?cors": ["DeleteBucketCors", bucket.deleteCors],
  "GET ?acl": ["GetBucketAcl", bucket.getAcl],
  "GET ?policy": ["GetBucketPolicy", bucket.absent("NoSuchBucketPolicy")],
  "GET ?lifecycle": ["GetBucketLifecycle", bucket.absent("NoSuchLifecycleConfiguration")],
  "GET ?tagging": ["GetBucketTagging", bucket.absent("NoSuchTagSet")],
  "GET ?encryption": [
    "GetBucketEncryption",
    bucket.absent("ServerSideEncryptionConfigurationNotFoundError"),
  ],
  "GET ?uploads": ["ListMultipartUploads", multipart.listMultipartUploads],
  "GET ?versions": ["ListObjectVersions", bucket.listObjectVersions],
  "GET ?list-type": ["ListObjectsV2", bucket.listObjectsV2],
  "POST ?delete": ["DeleteObjects", bucket.deleteObjects],
  GET: ["ListObjects", bucket.listObjects],
  HEAD: ["HeadBucket", bucket.headBucket],
  PUT: ["CreateBucket", bucket.createBucket],
  DELETE: ["DeleteBucket", bucket.deleteBucket],
};
const ofObject: Readonly<Record<string, readonly [string, Handler]>> = {
  "GET ?uploadId": ["ListParts", multipart.listParts],
  "GET ?tagging": ["GetObjectTagging", details.getObjectTagging],
  "PUT ?tagging": ["PutObjectTagging", details.putObjectTagging],
  "DELETE ?tagging": ["DeleteObjectTagging", details.deleteObjectTagging],
  "GET ?attributes": ["GetObjectAttributes", details.getObjectAttributes],
  "GET ?acl": ["GetObjectAcl", bucket.getAcl],
  "POST ?uploads": ["CreateMultipartUpload", multipart.createMultipartUpload],
  "POST ?uploadId": ["CompleteMultipartUpload", multipart.completeMultipartUpload],
  "DELETE ?uploadId": ["AbortMultipartUpload", multipart.abortMultipartUpload],
  "PUT ?partNumber": ["UploadPart", multipart.uploadPart],
  GET: ["GetObject", object.getObject],
  HEAD: ["HeadObject", object.getObject],
  PUT: ["PutObject", object.putObject],
  DELETE: ["DeleteObject", object.deleteObject],
};

/** Parameters that choose an operation of S3 which is not here: silence would do another one in its place. */
const missing = [
  "accelerate",
  "acl",
  "analytics",
  "attributes",
  "cors",
  "delete",
  "encryption",
  "intelligent-tiering",
  "inventory",
  "legal-hold",
  "lifecycle",
  "location",
  "logging",
  "metrics",
  "notification",
  "object-lock",
  "ownershipControls",
  "policy",
  "policyStatus",
  "publicAccessBlock",
  "replication",
  "requestPayment",
  "restore",
  "retention",
  "select",
  "tagging",
  "torrent",
  "uploadId",
  "uploads",
  "versioning",
  "versions",
  "website",
];

/** @throws S3Error `NotImplemented`, `MethodNotAllowed`. */
export function operationOf(request: S3Request): Operation {
  const { method, key } = request;
  if (request.bucket === "") {
    if (method !== "GET") throw new S3Error("MethodNotAllowed");
    return { name: ofService.GET[0], handle: ofService.GET[1] };
  }
  const table = key === "" ? ofBucket : ofObject;
  const chosen = Object.keys(table).find((entry) => {
    const [verb, parameter] = entry.split(" ?");
    return verb === method && parameter !== undefined && queryOf(request, parameter) !== undefined;
  });
  const other =
    chosen === undefined && missing.find((name) => queryOf(request, name) !== undefined);
  if (other) throw new S3Error("NotImplemented", `?${other} is not supported here.`);
  const found = table[chosen ?? method];
  if (found === undefined)
    throw new S3Error(method === "POST" ? "NotImplemented" : "MethodNotAllowed");
  const [name, handle] = found;
  if (headerOf(request, "x-amz-copy-source") !== undefined) {
    if (name === "PutObject") return { name: "CopyObject", handle: object.copyObject };
    if (name === "UploadPart") return { name: "UploadPartCopy", handle: multipart.uploadPartCopy };
  }
  return { name, handle };
}
