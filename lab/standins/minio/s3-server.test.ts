import { createHmac } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as s3 from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { expect, onTestFinished, test } from "vitest";
import { openS3Server, type S3ServerOptions } from "./s3-server.ts";
import { account, origin } from "./testing/storage-under-test.ts";

const Bucket = "test-bucket";

async function openInTest(options: Partial<S3ServerOptions> = {}) {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "lab-test-")));
  const errors: unknown[] = [];
  const server = await openS3Server({
    ...{ port: 0, dir, allowedOrigin: origin, onError: (error) => errors.push(error) },
    account: {
      accessKey: account.accessKeyId,
      secretKey: account.secretAccessKey,
      region: "us-east-1",
    },
    ...options,
  });
  const url = `http://127.0.0.1:${server.port}`;
  const client = new s3.S3Client({
    ...{
      endpoint: url,
      region: "us-east-1",
      forcePathStyle: true,
      credentials: account,
      maxAttempts: 1,
    },
  });
  onTestFinished(async () => {
    client.destroy();
    await server.close();
    await rm(dir, { recursive: true, force: true });
  });
  if (options.dir === undefined) await client.send(new s3.CreateBucketCommand({ Bucket }));
  const put = (Key: string, Body: string | Buffer) =>
    client.send(new s3.PutObjectCommand({ Bucket, Key, Body }));
  const text = async (Key: string) =>
    (await client.send(new s3.GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
  return { ...{ dir, url, client, put, text, errors }, port: server.port, close: server.close };
}

function token(claims: object, secret = account.secretAccessKey): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const content = `${part({ alg: "HS512" })}.${part(claims)}`;
  return `Bearer ${content}.${createHmac("sha512", secret).update(content).digest("base64url")}`;
}
const soon = (): number => Math.floor(Date.now() / 1000) + 60;

test("refuses what is too large, or one object too many, by name, and keeps nothing of it", async () => {
  const { put, text, dir } = await openInTest({
    limits: { objectBytes: 1000, totalBytes: 1500, keys: 3 },
  });
  await expect(put("a", Buffer.alloc(1001))).rejects.toMatchObject({ name: "EntityTooLarge" });
  await put("a", "x".repeat(900));
  await expect(put("b", Buffer.alloc(900))).rejects.toMatchObject({
    ...{ name: "XMinioStorageFull", $metadata: { httpStatusCode: 507 } },
  });
  expect(await readdir(join(dir, "data"))).toHaveLength(1);
  await put("a", "y".repeat(500));
  await put("b", "z");
  await put("c", "z");
  await expect(put("d", "z")).rejects.toMatchObject({ name: "XMinioStorageFull" });
  expect(await text("a")).toBe("y".repeat(500));
  expect(await readdir(join(dir, "data"))).toHaveLength(3);
});

test("comes back with everything after its end, without drafts, orphans and damaged records", async () => {
  const first = await openInTest();
  await first.put("kept", "hello");
  await first.put("damaged", "bye");
  await first.close();
  const keys = join(first.dir, "buckets", Bucket, "keys");
  const records = await readdir(keys);
  await writeFile(join(first.dir, "data", "orphan"), "left by a crash");
  await writeFile(join(keys, `${records[0]}.x.tmp`), "half a rec");
  const damaged: string[] = [];
  await writeFile(join(keys, "0.json"), "{");
  const again = await openInTest({ dir: first.dir, onDamage: (path) => damaged.push(path) });
  expect(await again.text("kept")).toBe("hello");
  expect(damaged).toEqual([join(keys, "0.json")]);
  expect(await readdir(join(first.dir, "data"))).toHaveLength(2);
  expect((await readdir(keys)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("an object that is replaced while it is read is read to its end as it was", async () => {
  const { client, put } = await openInTest();
  const body = "a".repeat(4_000_000);
  await put("big", body);
  const found = await client.send(new s3.GetObjectCommand({ Bucket, Key: "big" }));
  await put("big", "b");
  expect((await found.Body?.transformToString()) === body).toBe(true);
});

test("metrics are for holders of a token, and count by API and kind of error", async () => {
  const { url, put, client } = await openInTest();
  await put("a", "12345");
  await client.send(new s3.GetObjectCommand({ Bucket, Key: "no" })).catch(() => {});
  const read = (authorization: string) =>
    fetch(`${url}/minio/metrics/v3/api`, { headers: { authorization } });
  const valid = { iss: "prometheus", sub: "lab", exp: soon() };
  for (const bad of [
    ...["", "Bearer x", "Bearer a.b.c", token({ ...valid, exp: soon() - 120 })],
    ...[token({ ...valid, iss: "lab" }), token(valid, "another secret")],
  ]) {
    expect((await read(bad)).status, bad).toBe(403);
  }
  const text = await (await read(token(valid))).text();
  expect(text).toContain('lab_s3_requests_total{name="PutObject",status="200"} 1\n');
  expect(text).toContain('lab_s3_requests_4xx_errors_total{name="GetObject"} 1\n');
  expect(text).toContain('lab_s3_requests_5xx_errors_total{name="GetObject"} 0\n');
  expect(text).toContain("lab_s3_requests_inflight 0\n");
  expect(text).toContain("lab_s3_stored_bytes 5\n");
});

test("refuses calls of one run on request, for its attempts only, until told otherwise or for a time", async () => {
  let now = Date.now();
  const { url, client, put } = await openInTest({ now: () => now });
  await put("a", "x");
  const order = (body: object, authorization = token({ iss: "lab", exp: soon() })) =>
    fetch(`${url}/.lab/throttle`, {
      method: "PUT",
      headers: { authorization },
      body: JSON.stringify(body),
    });
  const rule = { runId: "run1", attempts: 2, percent: 50, forMs: 5000 };
  expect((await order(rule, token({ iss: "prometheus", exp: soon() }))).status).toBe(403);
  expect((await order({ ...rule, forMs: 3_600_000 })).status).toBe(400);
  expect((await order(rule)).status).toBe(204);
  const link = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: "a" }));
  const call = async (run: string, id: string, attempt: number) => {
    const headers = {
      baggage: `a=b,lab.run.id=${run}`,
      "amz-sdk-invocation-id": id,
      "amz-sdk-request": `attempt=${attempt}; max=3`,
    };
    const answer = await fetch(link, { headers });
    return /<Code>(\w+)</.exec(await answer.text())?.[1] ?? (answer.ok && "answered");
  };
  expect(await call("run1", "one", 1)).toBe("answered");
  expect(await call("run1", "two", 1)).toBe("SlowDown");
  expect(await call("run1", "two", 2)).toBe("SlowDown");
  expect(await call("run1", "two", 3)).toBe("answered");
  expect(await call("run2", "three", 1)).toBe("answered");
  const calm = { method: "DELETE", headers: { authorization: token({ iss: "lab", exp: soon() }) } };
  expect((await fetch(`${url}/.lab/throttle/run1`, calm)).status).toBe(204);
  expect(await call("run1", "four", 1)).toBe("answered");
  await order({ ...rule, percent: 100 });
  expect(await call("run1", "five", 1)).toBe("SlowDown");
  now += 5001;
  expect(await call("run1", "six", 1)).toBe("answered");
});

test("a thousand broken requests are answered or cut, and the server goes on", async () => {
  const { port, put, text, errors } = await openInTest();
  await put("a", "still here");
  const seeds = [
    `GET /${Bucket}/a HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential=lab/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00\r\nx-amz-date: 20260101T000000Z\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\nRange: bytes=0-1\r\n\r\n`,
    `PUT /${Bucket}/a?partNumber=1&uploadId=x HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\nx-amz-trailer: x-amz-checksum-crc32\r\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n\r\n5;chunk-signature=0\r\n12345\r\n0\r\n`,
    `POST /${Bucket}?delete HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n<Delete><Object><Key>a</Key></Object></D`,
    `GET /${Bucket}/%ff%zz?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/s3/aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=9&X-Amz-SignedHeaders=host&X-Amz-Signature=00 HTTP/1.1\r\nHost: x\r\n\r\n`,
    `OPTIONS /${Bucket}/../../x HTTP/1.1\r\nHost: x\r\nOrigin: ${origin}\r\nAccess-Control-Request-Method: PUT\r\n\r\n`,
    'PUT /.lab/throttle HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{"a":',
  ].map((seed) => Buffer.from(seed, "latin1"));
  let state = 42;
  const random = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % below;
  };
  const mutated = (seed: Buffer): Buffer => {
    const copy = Buffer.from(seed);
    for (let count = 1 + random(4); count > 0; count--) copy[random(copy.length)] = random(256);
    return random(4) === 0 ? copy.subarray(0, random(copy.length)) : copy;
  };
  const shoot = (bytes: Buffer) =>
    new Promise<void>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
      socket.on("error", () => {}).on("close", () => resolve());
      socket.resume();
    });
  for (let round = 0; round < 20; round++) {
    await Promise.all(
      Array.from({ length: 50 }, () => shoot(mutated(seeds[random(seeds.length)] as Buffer))),
    );
  }
  expect(await text("a")).toBe("still here");
  expect(errors).toEqual([]);
});
