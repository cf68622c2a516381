import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { expect, test } from "vitest";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import type { StoreBody } from "#lab/api/store.ts";
import { openStore } from "./store.ts";
import { readFeed } from "./testing/feed-reader.ts";
import { emptyDir } from "./testing/open.ts";
import { newTraceId, span, tracesProtobuf } from "./testing/payload.ts";
import { startStoreProcess } from "./testing/process.ts";

const protobuf = { "content-type": "application/x-protobuf" };
const post = (url: string, body: Buffer, headers = {}): Promise<Response> =>
  fetch(`${url}/v1/traces`, { method: "POST", body, headers: { ...protobuf, ...headers } });

test("nothing acknowledged is lost in 20 kill -9 at random moments", {
  timeout: 120_000,
}, async () => {
  const dir = await emptyDir();
  // Twenty starts: a process that ends in peace leaves its compiled modules to them.
  const env = { NODE_COMPILE_CACHE: await emptyDir() };
  await (await startStoreProcess(dir, env)).end("SIGTERM");
  const acknowledged: string[] = [];
  for (let round = 0; round < 20; round++) {
    const store = await startStoreProcess(dir, env);
    const killAt = acknowledged.length + 1 + Math.floor(Math.random() * 20);
    let ended: Promise<unknown> | undefined;
    const send = async (): Promise<void> => {
      while (ended === undefined) {
        const traceId = newTraceId();
        const answer = await post(
          store.url,
          tracesProtobuf([span({ traceId }), span({ traceId })]),
        );
        if (answer.status === 200) acknowledged.push(traceId);
        if (acknowledged.length >= killAt) ended ??= store.end("SIGKILL");
      }
    };
    // Requests are under way when the process dies: those may fail, and may be kept all the same.
    await Promise.allSettled([send(), send(), send(), send()]);
    await ended;
  }
  const { index, close } = openStore({ dir });
  const lost = acknowledged.filter((traceId) => index.traces.findHex(traceId) === 0);
  expect(acknowledged.length).toBeGreaterThan(20);
  expect(lost).toEqual([]);
  expect(index.log.damage.filter(({ what }) => what !== "torn end cut off")).toEqual([]);
  close();
});

test("SIGTERM finishes what is under way, and the process ends with 0", async () => {
  const store = await startStoreProcess(await emptyDir());
  const feed = await readFeed(store.url);
  await feed.next();
  const body = tracesProtobuf([span()]);
  const answered = Promise.withResolvers<number | undefined>();
  const halfSent = request(
    `${store.url}/v1/traces`,
    { method: "POST", headers: { ...protobuf, "content-length": body.length } },
    (response) => answered.resolve(response.resume().statusCode),
  );
  halfSent.on("error", answered.reject);
  const connected = Promise.withResolvers<void>();
  halfSent.write(body.subarray(0, 10), () => connected.resolve());
  await connected.promise;
  // One whole request after it: the first one's head has then been read, too.
  await post(store.url, tracesProtobuf([span()]));
  const ended = store.end("SIGTERM");
  halfSent.end(body.subarray(10));
  expect(await answered.promise).toBe(200);
  expect(await ended).toEqual([0, null]);
  expect(store.lines.at(-1)).toMatchObject({ level: "info", msg: "store stopped" });
});

test("with LAB_STORE_FSYNC=1 concurrent senders are all acknowledged", async () => {
  const store = await startStoreProcess(await emptyDir(), { LAB_STORE_FSYNC: "1" });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => post(store.url, tracesProtobuf([span()]))),
  );
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
});

test("wrong settings end the process at once, with a line that says which", async () => {
  await expect(startStoreProcess("", {})).rejects.toThrow("ended with 3");
  await expect(startStoreProcess("/nowhere/at/all")).rejects.toThrow("ended with 1");
  const wrongDsn = startStoreProcess(await emptyDir(), { SENTRY_DSN: "https://host/1" });
  await expect(wrongDsn).rejects.toThrow("ended with 3");
});

/** A command that runs another one in a mount namespace of its own; undefined where that is forbidden. */
const unshare = ((): readonly string[] | undefined => {
  const command = ["unshare", "--user", "--map-root-user", "--mount"];
  try {
    execFileSync(command[0] as string, [...command.slice(1), "mount", "-t", "tmpfs", "x", "/mnt"], {
      stdio: "ignore",
    });
    return command;
  } catch {
    return undefined;
  }
})();

test.skipIf(unshare === undefined)(
  "a full disk answers 503 with Retry-After, keeps what it has, and heals",
  async () => {
    const dir = await emptyDir();
    const store = await startStoreProcess(dir, {}, [
      ...(unshare ?? []),
      "sh",
      "-c",
      `mount -t tmpfs -o size=1m lab-store-test "$LAB_STORE_DIR" && exec "$@"`,
      "sh",
    ]);
    const inside = `/proc/${store.child.pid}/root${dir}`;
    writeFileSync(`${inside}/filler`, Buffer.alloc(600 * 1024));
    const traceId = newTraceId();
    expect((await post(store.url, tracesProtobuf([span({ traceId })]))).status).toBe(200);

    const large = tracesProtobuf([span({ name: "n".repeat(700 * 1024) })]);
    const refused = await post(store.url, large);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("5");
    const stats = (): Promise<StoreBody> =>
      fetch(`${store.url}/lab/stats`).then((answer) => answer.json() as Promise<StoreBody>);
    expect(await stats()).toMatchObject({ spans: 1, trouble: "disk full" });

    rmSync(`${inside}/filler`);
    expect((await post(store.url, large)).status).toBe(200);
    expect(await stats()).toMatchObject({ spans: 2, trouble: null });
    const trace = await fetch(`${store.url}/lab/traces/${traceId}`);
    expect(((await trace.json()) as OtlpTrace).resourceSpans).toHaveLength(1);
    expect(readdirSync(inside)).toEqual(["segment-00000001.log"]);
  },
);
