import * as s3 from "@aws-sdk/client-s3";
import { expect } from "vitest";
import { onEachStorage, refused } from "./testing/bucket-under-test.ts";

await onEachStorage((behaviour) => {
  behaviour("lists the bucket and tells its region and versioning", async ({ client, Bucket }) => {
    const { Buckets = [] } = await client.send(new s3.ListBucketsCommand({}));
    expect(Buckets.map(({ Name }) => Name)).toContain(Bucket);
    const { LocationConstraint } = await client.send(new s3.GetBucketLocationCommand({ Bucket }));
    // S3 gives its first region no name; MinIO does.
    expect(["", "us-east-1"]).toContain(LocationConstraint ?? "");
    const { Status } = await client.send(new s3.GetBucketVersioningCommand({ Bucket }));
    expect(Status).toBeUndefined();
  });
  behaviour(
    "refuses a bucket twice, one with a bad name, and to remove a full one",
    async ({ storage, client, Bucket, put }) => {
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
    },
  );
  behaviour(
    "lists in pages, by prefix, by delimiter, and after a key",
    async ({ client, Bucket, put }) => {
      for (const name of ["a", "b/1", "b/2", "c", "d"]) await put(`list/${name}`, name);
      const list = (more: Partial<s3.ListObjectsV2CommandInput>) =>
        client.send(new s3.ListObjectsV2Command({ Bucket, Prefix: "list/", ...more }));
      const seen: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await list({
          MaxKeys: 2,
          ...(ContinuationToken ? { ContinuationToken } : {}),
        });
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
      const old = new s3.ListObjectsCommand({
        Bucket,
        Prefix: "list/",
        Delimiter: "/",
        MaxKeys: 2,
      });
      const first = await client.send(old);
      const { NextMarker: Marker = "" } = first;
      expect([first.IsTruncated, Marker]).toEqual([true, expect.stringMatching(/^list\/b\//)]);
      const rest = new s3.ListObjectsCommand({ Bucket, Prefix: "list/", Delimiter: "/", Marker });
      const { Contents } = await client.send(rest);
      expect(Contents?.map(({ Key }) => Key)).toEqual(["list/c", "list/d"]);
    },
  );
  behaviour(
    "takes keys with spaces, plus signs, percents, quotes and letters beyond ASCII",
    async ({ client, Bucket, put, text }) => {
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
  behaviour(
    "keeps versions once asked to, and brings a deleted object back",
    async ({ storage, client }) => {
      const own = storage.newBucketName();
      await client.send(new s3.CreateBucketCommand({ Bucket: own }));
      const VersioningConfiguration = { Status: "Enabled" } as const;
      await client.send(
        new s3.PutBucketVersioningCommand({ Bucket: own, VersioningConfiguration }),
      );
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
    },
  );
});
