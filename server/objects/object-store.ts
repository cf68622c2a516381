import type { Readable } from "node:stream";
import type { ObjectStore } from "#scenarios/edges/objects.ts";
import { openS3, type S3Address } from "./client.ts";
import { imageKey } from "./product-images.ts";
import { throttleAt } from "./throttle.ts";

/** The store, and the end of its connections. */
export interface OpenObjectStore extends ObjectStore {
  /** Never rejects. */
  readonly close: () => Promise<void>;
}

/** Opens nothing yet: the first call does. */
export function openObjectStore(address: S3Address, bucket: string): OpenObjectStore {
  const s3 = openS3(address);
  return {
    bucket,
    imageKey,
    async get(key) {
      const { GetObjectCommand } = await s3.sdk();
      const found = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const body = found.Body as Readable;
      // A storage that dies while nobody has begun to read would be an uncaught error.
      body.on("error", () => {});
      return { ...described(found), body };
    },
    async head(key) {
      const { HeadObjectCommand } = await s3.sdk();
      return described(await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: key })));
    },
    async put(key, body, type) {
      const { PutObjectCommand } = await s3.sdk();
      await s3.send(
        new PutObjectCommand({ Bucket: bucket, Key: key, Body: body, ContentType: type }),
      );
    },
    downloadLink: (key, seconds) => s3.presign({ Bucket: bucket, Key: key }, seconds),
    throttle: (order) => throttleAt(address, order),
    close: () => s3.close().catch(() => {}),
  };
}

const described = (found: {
  readonly ContentLength?: number | undefined;
  readonly ContentType?: string | undefined;
  readonly ETag?: string | undefined;
  readonly $metadata: { readonly attempts?: number | undefined };
}) => ({
  bytes: found.ContentLength ?? 0,
  type: found.ContentType ?? "application/octet-stream",
  etag: found.ETag ?? "",
  attempts: found.$metadata.attempts ?? 1,
});
