import type { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Storage, type StorageUnderTest, storages } from "./storage-under-test.ts";

/** A bucket of its own in a storage, and what tests ask of it most. */
export interface BucketUnderTest {
  readonly name: Storage["name"];
  readonly storage: StorageUnderTest;
  readonly client: s3.S3Client;
  readonly Bucket: string;
  readonly put: (
    Key: string,
    Body: string | Buffer,
    more?: Partial<s3.PutObjectCommandInput>,
  ) => Promise<s3.PutObjectCommandOutput>;
  readonly get: (
    Key: string,
    more?: Partial<s3.GetObjectCommandInput>,
  ) => Promise<s3.GetObjectCommandOutput>;
  readonly text: (
    Key: string,
    more?: Partial<s3.GetObjectCommandInput>,
  ) => Promise<string | undefined>;
  readonly bytes: (Key: string) => Promise<Buffer>;
}

/** Says what has to hold of a storage; skipped, with the reason, where its program is missing. */
type Behaviour = (name: string, check: (bucket: BucketUnderTest) => Promise<void>) => void;

/** What the SDK's users rely on: the stand-in and the real program have to agree on all of it. */
export async function onEachStorage(behaviours: (behaviour: Behaviour) => void): Promise<void> {
  vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });
  for (const { name, missing, open } of await storages()) {
    describe(name, () => {
      let bucket: BucketUnderTest;
      beforeAll(async () => {
        if (missing === undefined) bucket = await newBucket(name, await open());
      });
      afterAll(() => bucket?.storage.close());
      behaviours((title, check) =>
        test(title, async ({ skip }) => {
          if (missing !== undefined) skip(missing);
          await check(bucket);
        }),
      );
    });
  }
}

async function newBucket(
  name: Storage["name"],
  storage: StorageUnderTest,
): Promise<BucketUnderTest> {
  const client = storage.client();
  const Bucket = storage.newBucketName();
  await client.send(new s3.CreateBucketCommand({ Bucket }));
  const get: BucketUnderTest["get"] = async (Key, more = {}) => {
    const found = await client.send(new s3.GetObjectCommand({ Bucket, Key, ...more }));
    // What a test does not read ends with the storage, which is no error of the test.
    (found.Body as Readable).on("error", () => {});
    return found;
  };
  return {
    ...{ name, storage, client, Bucket, get },
    put: (Key, Body, more = {}) =>
      client.send(new s3.PutObjectCommand({ Bucket, Key, Body, ...more })),
    text: async (Key, more) => (await get(Key, more)).Body?.transformToString(),
    bytes: async (Key) => Buffer.from((await (await get(Key)).Body?.transformToByteArray()) ?? []),
  };
}

/** A call is refused by this name and HTTP status. */
export const refused = (call: Promise<unknown>, name: string, status: number): Promise<void> =>
  expect(call).rejects.toMatchObject({ name, $metadata: { httpStatusCode: status } });
