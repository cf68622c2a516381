import { createHash, randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { account, origin, type StorageUnderTest, storages } from "./testing/storage-under-test.ts";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 30_000 });

/** What the SDK's users rely on; the stand-in and the real program have to agree on all of it. */
describe.for((await storages()).map((each) => [each.name, each] as const))("%s", ([, each]) => {
  let storage: StorageUnderTest;
  let client: s3.S3Client;
  let Bucket: string;
  beforeAll(async () => {
    if (each.missing !== undefined) return;
    storage = await each.open();
    client = storage.client();
    Bucket = storage.newBucketName();
    await client.send(new s3.CreateBucketCommand({ Bucket }));
  });
  afterAll(() => storage?.close());
  /** Skipped, with the reason, where the program is missing. */
  const behaviour = (name: string, check: () => Promise<void>): void =>
    test(name, async ({ skip }) => {
      if (each.missing !== undefined) skip(each.missing);
      await check();
    });

  const put = (Key: string, Body: string | Buffer, more: Partial<s3.PutObjectCommandInput> = {}) =>
    client.send(new s3.PutObjectCommand({ Bucket, Key, Body, ...more }));
  const get = async (Key: string, more: Partial<s3.GetObjectCommandInput> = {}) => {
    const found = await client.send(new s3.GetObjectCommand({ Bucket, Key, ...more }));
    // What a test does not read ends with the storage, which is no error of the test.
    (found.Body as Readable).on("error", () => {});
    return found;
  };
  const text = async (Key: string, more: Partial<s3.GetObjectCommandInput> = {}) =>
    (await get(Key, more)).Body?.transformToString();
  const bytes = async (Key: string) =>
    Buffer.from((await (await get(Key)).Body?.transformToByteArray()) ?? []);
  const refused = (call: Promise<unknown>, name: string, status: number) =>
    expect(call).rejects.toMatchObject({ name, $metadata: { httpStatusCode: status } });

  behaviour("lists the bucket and tells its region and versioning", async () => {
    const { Buckets = [] } = await client.send(new s3.ListBucketsCommand({}));
    expect(Buckets.map(({ Name }) => Name)).toContain(Bucket);
    const { LocationConstraint } = await client.send(new s3.GetBucketLocationCommand({ Bucket }));
    // S3 gives its first region no name; MinIO does.
    expect(["", "us-east-1"]).toContain(LocationConstraint ?? "");
    const { Status } = await client.send(new s3.GetBucketVersioningCommand({ Bucket }));
    expect(Status).toBeUndefined();
  });
  behaviour("refuses a bucket twice, one with a bad name, and to remove a full one", async () => {
    const again = new s3.CreateBucketCommand({ Bucket });
    await refused(client.send(again), "BucketAlreadyOwnedByYou", 409);
    const bad = new s3.CreateBucketCommand({ Bucket: "Bad_Name" });
    await refused(client.send(bad), "InvalidBucketName", 400);
    await put("in-it", "x");
    await refused(client.send(new s3.DeleteBucketCommand({ Bucket })), "BucketNotEmpty", 409);
    const empty = storage.newBucketName();
    await client.send(new s3.CreateBucketCommand({ Bucket: empty }));
    await client.send(new s3.DeleteBucketCommand({ Bucket: empty }));
    await refused(client.send(new s3.HeadBucketCommand({ Bucket: empty })), "NotFound", 404);
  });
  behaviour("keeps bytes, type, metadata and headers, and gives the MD5 as ETag", async () => {
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
  });
  behaviour(
    "takes streams of a known length as aws-chunked and verifies their trailer",
    async () => {
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
  behaviour("keeps every checksum it is given and tells it on demand", async () => {
    for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "SHA1", "SHA256"] as const) {
      await put("sum", "hello", { ChecksumAlgorithm });
      const found = await client.send(
        new s3.HeadObjectCommand({ Bucket, Key: "sum", ChecksumMode: "ENABLED" }),
      );
      expect(found[`Checksum${ChecksumAlgorithm}`], ChecksumAlgorithm).toMatch(/=$/);
    }
  });
  behaviour("tells of a bucket and an object without reading them", async () => {
    await client.send(new s3.HeadBucketCommand({ Bucket }));
    const body = randomBytes(1 << 20);
    const { ETag } = await put("megabyte", body);
    const head = await client.send(new s3.HeadObjectCommand({ Bucket, Key: "megabyte" }));
    expect([head.ContentLength, head.ETag]).toEqual([1 << 20, ETag]);
    expect((await bytes("megabyte")).equals(body)).toBe(true);
  });
  behaviour("refuses bytes that are not those of their checksum, and stores nothing", async () => {
    const wrong = { ChecksumCRC32: "AAAAAA==" };
    await expect(put("bad-sum", "hello", wrong)).rejects.toMatchObject({
      name: expect.stringMatching(/BadDigest|XAmzContentChecksumMismatch/),
      $metadata: { httpStatusCode: 400 },
    });
    const md5 = { ContentMD5: createHash("md5").update("other").digest("base64") };
    await refused(put("bad-sum", "hello", md5), "BadDigest", 400);
    await refused(get("bad-sum"), "NoSuchKey", 404);
  });
  behaviour("reads ranges from the front, the middle and the end", async () => {
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
    async () => {
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
  behaviour("writes only if nothing is there, or what is there is known", async () => {
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
  behaviour("reads only if it changed, or did not", async () => {
    const { ETag } = await put("fresh", "x");
    await refused(get("fresh", { IfMatch: '"dead"' }), "PreconditionFailed", 412);
    await expect(get("fresh", { IfNoneMatch: ETag })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 304 },
    });
    const yesterday = new Date(Date.now() - 86_400_000);
    await refused(get("fresh", { IfUnmodifiedSince: yesterday }), "PreconditionFailed", 412);
    expect(await text("fresh", { IfModifiedSince: yesterday, IfNoneMatch: '"dead"' })).toBe("x");
  });
  behaviour("lists in pages, by prefix, by delimiter, and after a key", async () => {
    for (const name of ["a", "b/1", "b/2", "c", "d"]) await put(`list/${name}`, name);
    const list = (more: Partial<s3.ListObjectsV2CommandInput>) =>
      client.send(new s3.ListObjectsV2Command({ Bucket, Prefix: "list/", ...more }));
    const seen: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await list({ MaxKeys: 2, ...(ContinuationToken ? { ContinuationToken } : {}) });
      expect(page.KeyCount).toBeLessThanOrEqual(2);
      seen.push(...(page.Contents ?? []).map(({ Key = "" }) => Key));
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
    expect(seen).toEqual(["a", "b/1", "b/2", "c", "d"].map((name) => `list/${name}`));
    const folders = await list({ Delimiter: "/" });
    expect(folders.CommonPrefixes).toEqual([{ Prefix: "list/b/" }]);
    expect(folders.Contents?.map(({ Key }) => Key)).toEqual(["list/a", "list/c", "list/d"]);
    const after = await list({ StartAfter: "list/b/2" });
    expect(after.Contents?.map(({ Key }) => Key)).toEqual(["list/c", "list/d"]);
    expect((await list({ MaxKeys: 0 })).KeyCount).toBe(0);
    const old = new s3.ListObjectsCommand({ Bucket, Prefix: "list/", Delimiter: "/", MaxKeys: 2 });
    const first = await client.send(old);
    const { NextMarker: Marker = "" } = first;
    expect([first.IsTruncated, Marker]).toEqual([true, expect.stringMatching(/^list\/b\//)]);
    const rest = new s3.ListObjectsCommand({ Bucket, Prefix: "list/", Delimiter: "/", Marker });
    const { Contents } = await client.send(rest);
    expect(Contents?.map(({ Key }) => Key)).toEqual(["list/c", "list/d"]);
  });
  behaviour(
    "takes keys with spaces, plus signs, percents, quotes and letters beyond ASCII",
    async () => {
      const Key = "dir name/ü +&=?#%25'\"<>😀.txt";
      await put(Key, "u");
      expect(await text(Key)).toBe("u");
      const { Contents } = await client.send(
        new s3.ListObjectsV2Command({ Bucket, Prefix: "dir name/" }),
      );
      expect(Contents?.map((entry) => entry.Key)).toEqual([Key]);
      await refused(put("k".repeat(1025), "x"), "KeyTooLongError", 400);
    },
  );
  behaviour("copies with metadata, or with new, and not onto itself for nothing", async () => {
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
  });
  behaviour("puts parts together, lists them, and reads one of them", async () => {
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
    const uploads = await client.send(new s3.ListMultipartUploadsCommand({ Bucket, Prefix: Key }));
    expect(uploads.Uploads?.map((upload) => upload.UploadId)).toEqual([UploadId]);
    const done = await client.send(
      new s3.CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
    );
    const sums = bodies.map((body) => createHash("md5").update(body).digest());
    expect(done.ETag).toBe(`"${createHash("md5").update(Buffer.concat(sums)).digest("hex")}-2"`);
    expect((await bytes(Key)).equals(Buffer.concat(bodies))).toBe(true);
    const second = await get(Key, { PartNumber: 2 });
    expect([second.ContentLength, second.PartsCount]).toEqual([1000, 2]);
    await second.Body?.transformToByteArray();
    const across = await get(Key, { Range: `bytes=${(5 << 20) - 2}-${(5 << 20) + 1}` });
    const middle = Buffer.from((await across.Body?.transformToByteArray()) ?? []);
    expect(middle.equals(Buffer.concat(bodies).subarray((5 << 20) - 2, (5 << 20) + 2))).toBe(true);
  });
  behaviour(
    "refuses small, unknown and disordered parts, and ends an upload for good",
    async () => {
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
    async () => {
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
  behaviour("keeps tags, counts them, and refuses an eleventh", async () => {
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
  });
  behaviour("deletes what is there and what is not, one or many", async () => {
    await Promise.all(["x1", "x2"].map((Key) => put(Key, "x")));
    await client.send(new s3.DeleteObjectCommand({ Bucket, Key: "never-there" }));
    const many = { Objects: ["x1", "x2", "never-there"].map((Key) => ({ Key })) };
    const { Deleted, Errors } = await client.send(
      new s3.DeleteObjectsCommand({ Bucket, Delete: many }),
    );
    expect([Deleted?.length, Errors?.length ?? 0]).toEqual([3, 0]);
    await refused(get("x1"), "NoSuchKey", 404);
  });
  behaviour("keeps versions once asked to, and brings a deleted object back", async () => {
    const own = storage.newBucketName();
    await client.send(new s3.CreateBucketCommand({ Bucket: own }));
    const VersioningConfiguration = { Status: "Enabled" } as const;
    await client.send(new s3.PutBucketVersioningCommand({ Bucket: own, VersioningConfiguration }));
    const at = { Bucket: own, Key: "v" };
    const { VersionId } = await client.send(new s3.PutObjectCommand({ ...at, Body: "one" }));
    await client.send(new s3.PutObjectCommand({ ...at, Body: "two" }));
    const old = await client.send(new s3.GetObjectCommand({ ...at, VersionId }));
    expect(await old.Body?.transformToString()).toBe("one");
    const marker = await client.send(new s3.DeleteObjectCommand(at));
    expect(marker.DeleteMarker).toBe(true);
    await refused(client.send(new s3.GetObjectCommand(at)), "NoSuchKey", 404);
    const all = await client.send(new s3.ListObjectVersionsCommand({ Bucket: own }));
    expect([all.Versions?.length, all.DeleteMarkers?.length]).toEqual([2, 1]);
    await client.send(new s3.DeleteObjectCommand({ ...at, VersionId: marker.VersionId }));
    const back = await client.send(new s3.GetObjectCommand(at));
    expect(await back.Body?.transformToString()).toBe("two");
  });
  behaviour("tells size, ETag and parts as attributes", async () => {
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
  behaviour("lets presigned links read and write, with the headers they name", async () => {
    await put("link", "linked");
    const input = { Bucket, Key: "link", ResponseContentType: "text/special" };
    const read = await fetch(
      await getSignedUrl(client, new s3.GetObjectCommand(input), { expiresIn: 60 }),
    );
    expect([read.status, read.headers.get("content-type"), await read.text()]).toEqual([
      ...[200, "text/special", "linked"],
    ]);
    const upload = new s3.PutObjectCommand({ Bucket, Key: "uploaded" });
    const written = await fetch(await getSignedUrl(client, upload, { expiresIn: 60 }), {
      ...{ method: "PUT", body: "by link" },
    });
    expect(written.status).toBe(200);
    expect(await text("uploaded")).toBe("by link");
  });
  behaviour("refuses a link for another key, another method, or after its end", async () => {
    const sign = (Key: string, more: { expiresIn: number; signingDate?: Date }) =>
      getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key }), more);
    await put("link", "linked");
    const codeOf = async (url: string, init: RequestInit = {}) => {
      const answer = await fetch(url, init);
      const [, code, message] = /<Code>(\w+)<.*<Message>(.*?)</s.exec(await answer.text()) ?? [];
      return [answer.status, code, message] as const;
    };
    const link = await sign("link", { expiresIn: 60 });
    expect((await codeOf(link.replace("/link?", "/other?")))[1]).toBe("SignatureDoesNotMatch");
    expect((await codeOf(link, { method: "DELETE" }))[0]).toBe(403);
    expect((await codeOf(`${link}&response-content-type=text/html`))[0]).toBe(403);
    const signingDate = new Date(Date.now() - 10_000);
    expect(await codeOf(await sign("link", { expiresIn: 5, signingDate }))).toEqual([
      ...[403, "AccessDenied", "Request has expired"],
    ]);
    const week = link.replace(/X-Amz-Expires=\d+/, "X-Amz-Expires=604801");
    expect((await codeOf(week))[0]).toBe(400);
  });
  behaviour(
    "refuses wrong secrets, unknown keys, strangers and clocks that are wrong",
    async () => {
      const as = (config: Partial<s3.S3ClientConfig>) =>
        storage.client(config).send(new s3.ListObjectsV2Command({ Bucket }));
      const wrong = { ...account, secretAccessKey: "wrong" };
      await refused(as({ credentials: wrong }), "SignatureDoesNotMatch", 403);
      const unknown = { ...account, accessKeyId: "nobody" };
      await refused(as({ credentials: unknown }), "InvalidAccessKeyId", 403);
      await refused(as({ region: "eu-west-1" }), "AuthorizationHeaderMalformed", 400);
      await refused(as({ systemClockOffset: 3_600_000 }), "RequestTimeTooSkewed", 403);
      expect((await fetch(`${storage.url}/${Bucket}/link`)).status).toBe(403);
    },
  );
  behaviour("tells an SDK its time: the first call is refused, the next ones fit", async () => {
    await put("clocked", "x");
    for (const systemClockOffset of [-1_200_000, 1_200_000]) {
      const skewed = storage.client({ systemClockOffset, maxAttempts: 3 });
      const read = () => skewed.send(new s3.GetObjectCommand({ Bucket, Key: "clocked" }));
      await expect(read()).rejects.toMatchObject({
        ...{ name: "RequestTimeTooSkewed", $metadata: { httpStatusCode: 403, attempts: 1 } },
      });
      await (await read()).Body?.transformToString();
    }
  });
  behaviour(
    "refuses links of a wrong clock, and without a signature, by messages alone",
    async () => {
      await put("clocked", "x");
      const said = async (url: string) => {
        const answer = await fetch(url);
        const [, code, message] = /<Code>(\w+)<.*<Message>(.*?)</s.exec(await answer.text()) ?? [];
        return [answer.status, code, message];
      };
      const signedAt = (signingDate: Date) =>
        getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: "clocked" }), {
          ...{ expiresIn: 60, signingDate },
        });
      const off = (ms: number) => new Date(Date.now() + ms);
      const forbidden = [403, "AccessDenied"];
      expect(await said(await signedAt(off(-1_200_000)))).toEqual([
        ...[...forbidden, "Request has expired"],
      ]);
      expect(await said(await signedAt(off(1_200_000)))).toEqual([
        ...[...forbidden, "Request is not valid yet"],
      ]);
      expect(await said(`${storage.url}/${Bucket}/clocked`)).toEqual([
        ...forbidden,
        "Access Denied.",
      ]);
    },
  );
  behaviour(
    "lets pages of the lab's origin read answers, refusals too, and no others",
    async () => {
      const asked = (from: string) =>
        fetch(`${storage.url}/${Bucket}/link`, {
          method: "OPTIONS",
          headers: {
            origin: from,
            "access-control-request-method": "GET",
            "access-control-request-headers": "range",
          },
        });
      expect((await asked(origin)).headers.get("access-control-allow-origin")).toBe(origin);
      expect(
        (await asked("http://evil.example")).headers.get("access-control-allow-origin"),
      ).toBeNull();
      const refusal = await fetch(`${storage.url}/${Bucket}/link`, { headers: { origin } });
      expect(refusal.headers.get("access-control-allow-origin")).toBe(origin);
    },
  );
  behaviour("lets the lab's pages write, whatever becomes of a bucket's own rules", async () => {
    const CORSRules = [
      { AllowedMethods: ["GET", "PUT"], AllowedOrigins: ["*"], AllowedHeaders: ["*"] },
    ];
    const rules = new s3.PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } });
    const said = await client
      .send(rules)
      .then(() => client.send(new s3.GetBucketCorsCommand({ Bucket })))
      .then(
        (read) => read.CORSRules,
        (error: Error) => error.name,
      );
    // MinIO has one rule for all buckets, and keeps none.
    expect([CORSRules, "NotImplemented", "NoSuchCORSConfiguration"]).toContainEqual(said);
    if (each.name === "stand-in") expect(said).toEqual(CORSRules);
    const answer = await fetch(`${storage.url}/${Bucket}/uploaded`, {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "PUT" },
    });
    expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
    expect(answer.headers.get("access-control-allow-methods")).toContain("PUT");
  });
  behaviour("forgets nothing that it confirmed when it is killed", async () => {
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
  });
});
