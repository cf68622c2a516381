import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import { expect, vi } from "vitest";
import { onEachStorage, refused } from "./testing/bucket-under-test.ts";

await onEachStorage((behaviour) => {
  behaviour(
    "keeps bytes, type, metadata and headers, and gives the MD5 as ETag",
    async ({ put, get }) => {
      const stored = await put("a/b.txt", "hello", {
        ...{ ContentType: "text/plain", CacheControl: "max-age=9", ContentDisposition: "inline" },
        Metadata: { x: "y" },
      });
      expect(stored.ETag).toBe(`"${createHash("md5").update("hello").digest("hex")}"`);
      const found = await get("a/b.txt");
      expect(await found.Body?.transformToString()).toBe("hello");
      expect(found).toMatchObject({
        ...{ ContentType: "text/plain", CacheControl: "max-age=9", ContentDisposition: "inline" },
        ...{ ContentLength: 5, Metadata: { x: "y" }, ETag: stored.ETag, AcceptRanges: "bytes" },
      });
      expect(Math.abs(Date.now() - Number(found.LastModified))).toBeLessThan(60_000);
    },
  );
  behaviour(
    "takes streams of a known length as aws-chunked and verifies their trailer",
    async ({ storage, Bucket, get, bytes }) => {
      const body = randomBytes(300_000);
      for (const mode of ["WHEN_SUPPORTED", "WHEN_REQUIRED"] as const) {
        const other = storage.client({ requestChecksumCalculation: mode });
        const Body = Readable.from([body.subarray(0, 100_000), body.subarray(100_000)]);
        const ContentLength = body.length;
        await other.send(
          new s3.PutObjectCommand({ Bucket, Key: `s-${mode}`, Body, ContentLength }),
        );
        expect((await bytes(`s-${mode}`)).equals(body)).toBe(true);
        expect((await get(`s-${mode}`)).ContentEncoding ?? "").toBe("");
      }
    },
  );
  behaviour(
    "keeps every checksum it is given and tells it on demand",
    async ({ client, Bucket, put }) => {
      for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"] as const) {
        await put("sum", "hello", { ChecksumAlgorithm });
        const found = await client.send(
          new s3.HeadObjectCommand({ Bucket, Key: "sum", ChecksumMode: "ENABLED" }),
        );
        expect(found[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm).toMatch(/=$/);
      }
    },
  );
  behaviour(
    "tells of a bucket and an object without reading them",
    async ({ client, Bucket, put, bytes }) => {
      await client.send(new s3.HeadBucketCommand({ Bucket }));
      const body = randomBytes(1 << 20);
      const { ETag } = await put("megabyte", body);
      const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: "megabyte" }));
      expect([head.ContentLength, head.ETag]).toEqual([1 << 20, ETag]);
      expect((await bytes("megabyte")).equals(body)).toBe(true);
    },
  );
  behaviour(
    "refuses bytes that are not those of their checksum, and stores nothing",
    async ({ put, get }) => {
      const wrong = { ChecksumCRC32: "AAAAAA==" };
      await expect(put("bad-sum", "hello", wrong)).rejects.toMatchObject({
        name: expect.stringMatching(/BadDigest|XAmzContentChecksumMismatch/),
        $metadata: { httpStatusCode: 400 },
      });
      const md5 = { ContentMD5: createHash("md5").update("other").digest("base64") };
      await refused(put("bad-sum", "hello", md5), "BadDigest", 400);
      await refused(get("bad-sum"), "NoSuchKey", 404);
    },
  );
  behaviour("reads ranges from the front, the middle and the end", async ({ put, get }) => {
    await put("range", "0123456789");
    for (const [Range, expected, ContentRange] of [
      ["bytes=0-0", "0", "bytes 0-0/10"],
      ["bytes=3-5", "345", "bytes 3-5/10"],
      ["bytes=7-", "789", "bytes 7-9/10"],
      ["bytes=-2", "89", "bytes 8-9/10"],
      ["bytes=8-99", "89", "bytes 8-9/10"],
    ] as const) {
      const found = await get("range", { Range });
      expect(await found.Body?.transformToString(), Range).toBe(expected);
      expect(found.ContentRange).toBe(ContentRange);
    }
    await refused(get("range", { Range: "bytes=10-" }), "InvalidRange", 416);
  });
  behaviour(
    "tells what is missing by name, and by status alone where there is no body",
    async ({ client, Bucket, get }) => {
      await refused(get("nope"), "NoSuchKey", 404);
      const nowhere = new s3.ListObjectsV2Command({ Bucket: `no-${Bucket}` });
      await refused(client.send(nowhere), "NoSuchBucket", 404);
      await refused(
        client.send(new s3.HeadObjectCommand({ Bucket, Key: "nope" })),
        "NotFound",
        404,
      );
    },
  );
  behaviour("writes only if nothing is there, or what is there is known", async ({ put, text }) => {
    const { ETag } = await put("cond", "one");
    await refused(put("cond", "two", { IfNoneMatch: "*" }), "PreconditionFailed", 412);
    await refused(put("cond", "two", { IfMatch: '"0123"' }), "PreconditionFailed", 412);
    await put("cond", "two", { IfMatch: ETag });
    expect(await text("cond")).toBe("two");
    const race = await Promise.allSettled(
      ["a", "b", "c", "d"].map((body) => put("race", body, { IfNoneMatch: "*" })),
    );
    expect(race.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
  behaviour("reads only if it changed, or did not", async ({ put, get, text }) => {
    const { ETag } = await put("fresh", "x");
    await refused(get("fresh", { IfMatch: '"dead"' }), "PreconditionFailed", 412);
    await expect(get("fresh", { IfNoneMatch: ETag })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 304 },
    });
    const yesterday = new Date(Date.now() - 86_400_000);
    await refused(get("fresh", { IfUnmodifiedSince: yesterday }), "PreconditionFailed", 412);
    expect(await text("fresh", { IfModifiedSince: yesterday, IfNoneMatch: '"dead"' })).toBe("x");
  });
  behaviour(
    "copies with metadata, or with new, and not onto itself for nothing",
    async ({ client, Bucket, put, get, text }) => {
      await put("from", "copied", { Metadata: { a: "1" }, ContentType: "text/x" });
      const CopySource = `${Bucket}/from`;
      await client.send(new s3.CopyObjectCommand({ Bucket, Key: "to", CopySource }));
      expect(await get("to")).toMatchObject({ Metadata: { a: "1" }, ContentType: "text/x" });
      const replace = { MetadataDirective: "REPLACE", Metadata: { b: "2" } } as const;
      await client.send(new s3.CopyObjectCommand({ Bucket, Key: "to", CopySource, ...replace }));
      expect((await get("to")).Metadata).toEqual({ b: "2" });
      const self = new s3.CopyObjectCommand({ Bucket, Key: "from", CopySource });
      await refused(client.send(self), "InvalidRequest", 400);
      const gone = new s3.CopyObjectCommand({ Bucket, Key: "to", CopySource: `${Bucket}/nope` });
      await refused(client.send(gone), "NoSuchKey", 404);
      await client.send(new s3.DeleteObjectCommand({ Bucket, Key: "from" }));
      expect(await text("to")).toBe("copied");
    },
  );
  behaviour(
    "keeps tags, counts them, and refuses an eleventh",
    async ({ client, Bucket, put, get }) => {
      await put("tagged", "x", { Tagging: "a=1" });
      expect((await get("tagged")).TagCount).toBe(1);
      const tag = (TagSet: s3.Tag[]) =>
        client.send(new s3.PutObjectTaggingCommand({ Bucket, Key: "tagged", Tagging: { TagSet } }));
      await tag([{ Key: "b", Value: "2 +-=._:/@" }]);
      const read = () => client.send(new s3.GetObjectTaggingCommand({ Bucket, Key: "tagged" }));
      expect((await read()).TagSet).toEqual([{ Key: "b", Value: "2 +-=._:/@" }]);
      await refused(tag([{ Key: "b", Value: "a?b" }]), "InvalidTag", 400);
      const eleven = Array.from({ length: 11 }, (_, index) => ({ Key: `k${index}`, Value: "v" }));
      await expect(tag(eleven)).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } });
      await client.send(new s3.DeleteObjectTaggingCommand({ Bucket, Key: "tagged" }));
      expect((await read()).TagSet).toEqual([]);
    },
  );
  behaviour(
    "deletes what is there and what is not, one or many",
    async ({ client, Bucket, put, get }) => {
      await Promise.all(["x1", "x2"].map((Key) => put(Key, "x")));
      await client.send(new s3.DeleteObjectCommand({ Bucket, Key: "never-there" }));
      const many = { Objects: ["x1", "x2", "never-there"].map((Key) => ({ Key })) };
      const { Deleted, Errors } = await client.send(
        new s3.DeleteObjectsCommand({ Bucket, Delete: many }),
      );
      expect([Deleted?.length, Errors?.length ?? 0]).toEqual([3, 0]);
      await refused(get("x1"), "NoSuchKey", 404);
    },
  );
  behaviour("tells size, ETag and parts as attributes", async ({ client, Bucket, put }) => {
    await put("attributes", "12345");
    // One at a time: MinIO does not take the list as the SDK writes it.
    const ask = (attribute: string) => {
      const ObjectAttributes = [attribute as s3.ObjectAttributes];
      const input = { Bucket, Key: "attributes", ObjectAttributes };
      return client.send(new s3.GetObjectAttributesCommand(input));
    };
    const ETag = createHash("md5").update("12345").digest("hex");
    expect(await ask("ObjectSize")).toMatchObject({ ObjectSize: 5 });
    expect(await ask("ETag")).toMatchObject({ ETag });
    expect(await ask("StorageClass")).toMatchObject({ StorageClass: "STANDARD" });
    await refused(ask("Colour"), "InvalidArgument", 400);
  });
  behaviour(
    "forgets nothing that it confirmed when it is killed",
    async ({ storage, put, text }) => {
      const confirmed = new Map<string, string>();
      let stop = false;
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let count = 0; !stop; count++) {
          const [Key, body] = [`kill/${writer}/${count % 5}`, `${writer}-${count}-`.repeat(500)];
          const done = await put(Key, body).then(
            () => true,
            () => false,
          );
          if (done) confirmed.set(Key, body);
          else break;
        }
      });
      await vi.waitUntil(() => confirmed.size >= 20, { timeout: 20_000 });
      const restarted = storage.restartHard();
      await Promise.all(writers);
      stop = true;
      await restarted;
      for (const [Key, body] of confirmed) {
        const kept = await text(Key);
        // Only a write that was under way when it died may have come after the confirmed one.
        const [writer, count] = body.split("-").map(Number);
        expect([body, `${writer}-${(count ?? 0) + 5}-`.repeat(500)], Key).toContain(kept);
      }
    },
  );
});
