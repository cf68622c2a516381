import { createHash, randomBytes } from "node:crypto";
import * as s3 from "@aws-sdk/client-s3";
import { expect } from "vitest";
import { onEachStorage, refused } from "./testing/bucket-under-test.ts";

await onEachStorage((behaviour) => {
  behaviour(
    "puts parts together, lists them, and reads one of them",
    async ({ client, Bucket, get, bytes }) => {
      const Key = "parts";
      const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key }));
      const bodies = [randomBytes(5 << 20), randomBytes(1000)];
      const Parts = await Promise.all(
        bodies.map(async (Body, index) => {
          const part = { Bucket, Key, UploadId, PartNumber: index + 1, Body };
          const { ETag } = await client.send(new s3.UploadPartCommand(part));
          return { PartNumber: index + 1, ETag };
        }),
      );
      const listed = await client.send(new s3.ListPartsCommand({ Bucket, Key, UploadId }));
      expect(listed.Parts?.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
        [1, 5 << 20],
        [2, 1000],
      ]);
      const uploads = await client.send(
        new s3.ListMultipartUploadsCommand({ Bucket, Prefix: Key }),
      );
      expect(uploads.Uploads?.map((upload) => upload.UploadId)).toEqual([UploadId]);
      const done = await client.send(
        new s3.CompleteMultipartUploadCommand({
          Bucket,
          Key,
          UploadId,
          MultipartUpload: { Parts },
        }),
      );
      const sums = bodies.map((body) => createHash("md5").update(body).digest());
      expect(done.ETag).toBe(`"${createHash("md5").update(Buffer.concat(sums)).digest("hex")}-2"`);
      expect((await bytes(Key)).equals(Buffer.concat(bodies))).toBe(true);
      const second = await get(Key, { PartNumber: 2 });
      expect([second.ContentLength, second.PartsCount]).toEqual([1000, 2]);
      await second.Body?.transformToByteArray();
      const across = await get(Key, { Range: `bytes=${(5 << 20) - 2}-${(5 << 20) + 1}` });
      const middle = Buffer.from((await across.Body?.transformToByteArray()) ?? []);
      expect(middle.equals(Buffer.concat(bodies).subarray((5 << 20) - 2, (5 << 20) + 2))).toBe(
        true,
      );
    },
  );
  behaviour(
    "refuses small, unknown and disordered parts, and ends an upload for good",
    async ({ client, Bucket, get }) => {
      const Key = "aborted";
      const { UploadId } = await client.send(new s3.CreateMultipartUploadCommand({ Bucket, Key }));
      const upload = async (PartNumber: number) => {
        const part = { Bucket, Key, UploadId, PartNumber, Body: "small" };
        return { PartNumber, ETag: (await client.send(new s3.UploadPartCommand(part))).ETag };
      };
      const [one, two] = [await upload(1), await upload(2)];
      const complete = (Parts: s3.CompletedPart[]) =>
        client.send(
          new s3.CompleteMultipartUploadCommand({
            Bucket,
            Key,
            UploadId,
            MultipartUpload: { Parts },
          }),
        );
      await refused(complete([one, two]), "EntityTooSmall", 400);
      await refused(complete([two, one]), "InvalidPartOrder", 400);
      await refused(complete([{ PartNumber: 3, ETag: one.ETag }]), "InvalidPart", 400);
      await client.send(new s3.AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      await refused(complete([one]), "NoSuchUpload", 404);
      await refused(get(Key), "NoSuchKey", 404);
    },
  );
  behaviour(
    "takes a stream as the SDK's managed upload sends it: parts side by side, each with its checksum",
    async ({ client, Bucket, bytes }) => {
      const Key = "managed";
      const begun = new s3.CreateMultipartUploadCommand({
        ...{ Bucket, Key, ChecksumAlgorithm: "CRC32" },
      });
      const { UploadId } = await client.send(begun);
      const bodies = [5 << 20, 5 << 20, 1 << 20].map((size) => randomBytes(size));
      const Parts = await Promise.all(
        bodies.map(async (Body, index) => {
          const PartNumber = index + 1;
          const part = { Bucket, Key, UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC32" };
          const { ETag, ChecksumCRC32 } = await client.send(
            new s3.UploadPartCommand(part as s3.UploadPartCommandInput),
          );
          expect(ChecksumCRC32).toMatch(/==$/);
          return { PartNumber, ETag, ChecksumCRC32 };
        }),
      );
      const upload = { Bucket, Key, UploadId };
      await client.send(
        new s3.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
      );
      const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key }));
      expect(head.ContentLength).toBe(11 << 20);
      expect((await bytes(Key)).equals(Buffer.concat(bodies))).toBe(true);
    },
  );
});
