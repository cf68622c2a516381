import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { expect } from "vitest";
import { onEachStorage, refused } from "./testing/bucket-under-test.ts";
import { account, origin } from "./testing/storage-under-test.ts";

await onEachStorage((behaviour) => {
  behaviour(
    "lets presigned links read and write, with the headers they name",
    async ({ client, Bucket, put, text }) => {
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
    },
  );
  behaviour(
    "refuses a link for another key, another method, or after its end",
    async ({ client, Bucket, put }) => {
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
    },
  );
  behaviour(
    "refuses wrong secrets, unknown keys, strangers and clocks that are wrong",
    async ({ storage, Bucket }) => {
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
  behaviour(
    "tells an SDK its time: the first call is refused, the next ones fit",
    async ({ storage, Bucket, put }) => {
      await put("clocked", "x");
      for (const systemClockOffset of [-1_200_000, 1_200_000]) {
        const skewed = storage.client({ systemClockOffset, maxAttempts: 3 });
        const read = () => skewed.send(new s3.GetObjectCommand({ Bucket, Key: "clocked" }));
        await expect(read()).rejects.toMatchObject({
          ...{ name: "RequestTimeTooSkewed", $metadata: { httpStatusCode: 403, attempts: 1 } },
        });
        await (await read()).Body?.transformToString();
      }
    },
  );
  behaviour(
    "refuses links of a wrong clock, and without a signature, by messages alone",
    async ({ storage, client, Bucket, put }) => {
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
    async ({ storage, Bucket }) => {
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
  behaviour(
    "lets the lab's pages write, whatever becomes of a bucket's own rules",
    async ({ name, storage, client, Bucket }) => {
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
      if (name === "stand-in") expect(said).toEqual(CORSRules);
      const answer = await fetch(`${storage.url}/${Bucket}/uploaded`, {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "PUT" },
      });
      expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
      expect(answer.headers.get("access-control-allow-methods")).toContain("PUT");
    },
  );
});
