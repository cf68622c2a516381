import type { Readable } from "node:stream";
import type { ObjectStore } from "#scenarios/edges/objects.ts";
import { AppError } from "../errors.ts";
import { openS3, type S3Address, type S3Edge } from "./client.ts";
import { imageKey } from "./product-images.ts";
import { throttleAt } from "./throttle.ts";

/** For whom the storage refused: longer than the SDK's own pauses. */
const retryAfterSeconds = 5;

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
    ...readingFrom(s3, bucket),
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
    plainLink: (key) => `${address.endpoint}/${bucket}/${key}`,
    withClockOff: (ms) => {
      const skewed = openS3(address, ms);
      return { ...readingFrom(skewed, bucket), close: () => skewed.close().catch(() => {}) };
    },
    async throttle(order) {
      const calm = await throttleAt(address, order);
      s3.renew();
      return async () => {
        await calm();
        s3.renew();
      };
    },
    close: () => s3.close().catch(() => {}),
  };
}

const readingFrom = (s3: S3Edge, bucket: string): Pick<ObjectStore, "get" | "downloadLink"> => ({
  async get(key) {
    const { GetObjectCommand } = await s3.sdk();
    const command = new GetObjectCommand({ Bucket: bucket, Key: key });
    const found = await s3.send(command).catch(asBusy);
    const body = found.Body as Readable;
    // A storage that dies while nobody has begun to read would be an uncaught error.
    body.on("error", () => {});
    return { ...described(found), body };
  },
  downloadLink: (key, seconds) => s3.presign({ Bucket: bucket, Key: key }, seconds),
});

/** What the SDK's own retries could not get over: the caller may, later. */
function asBusy(error: unknown): never {
  if (!(error instanceof Error) || error.name !== "SlowDown") throw error;
  throw new AppError(503, "storage_throttled", "The object storage asks for fewer requests.", {
    cause: error,
    hint: "Ask again in a moment.",
    retryAfterSeconds,
  });
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
