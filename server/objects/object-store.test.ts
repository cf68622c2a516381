import { createServer as createHttpServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createRedactor } from "../telemetry/redact.ts";
import { freePort } from "../testing/free-port.ts";
import { StorageSilent } from "./client.ts";
import { openObjectStore } from "./object-store.ts";

const secretAccessKey = "canary-secretkey-5f0e1d";

function storeAt(port: number) {
  const store = openObjectStore(
    {
      endpoint: `http://127.0.0.1:${port}`,
      region: "us-east-1",
      accessKeyId: "canary-accesskey-5f0e1d",
      secretAccessKey,
    },
    "lab-products",
  );
  onTestFinished(() => store.close());
  return store;
}
async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
const answering = (listener: RequestListener): Promise<number> =>
  listening(createHttpServer(listener));
test("a storage that takes connections and never answers is given up by the app, and asked once", async () => {
  const silent = createServer();
  let connections = 0;
  silent.on("connection", () => connections++);
  const store = storeAt(await listening(silent));
  await expect(store.get("a")).rejects.toMatchObject({
    ...{ name: "StorageSilent", message: expect.stringContaining("within 900 ms") },
  });
  expect(connections).toBe(1);
});

test("a storage that is not there is told as that, before it is given up", async () => {
  await expect(storeAt(await freePort()).get("a")).rejects.toMatchObject({ code: "ECONNREFUSED" });
});

test("a storage that asks to slow down is given the time the SDK takes", async () => {
  let asked = 0;
  const port = await answering((_request, response) => {
    asked += 1;
    if (asked < 3) response.writeHead(503).end("<Error><Code>SlowDown</Code></Error>");
    else response.writeHead(200, { "content-type": "text/plain" }).end("there");
  });
  const found = await storeAt(port).get("a");
  let text = "";
  for await (const piece of found.body) text += Buffer.from(piece).toString();
  expect([text, found.attempts, asked]).toEqual(["there", 3, 3]);
});

test("a storage that refuses every attempt is a 503 that says when to come back, and the budget for retries is whole after it", async () => {
  const port = await answering((request, response) => {
    request.resume();
    if (request.url?.startsWith("/.lab/throttle")) response.writeHead(204).end();
    else response.writeHead(503).end("<Error><Code>SlowDown</Code></Error>");
  });
  const store = storeAt(port);
  const refusal = async (): Promise<unknown> => {
    for (;;) {
      const error = await store.get("a").catch((thrown: unknown) => thrown);
      // Of a machine that stood still for so long, and not of this storage.
      if (!(error instanceof StorageSilent)) return error;
    }
  };
  const attemptsOf = (error: unknown): number =>
    (error as { cause: { $metadata: { attempts: number } } }).cause.$metadata.attempts;
  const inAll = (attempts: number) => ({
    ...{ name: "AppError", status: 503, code: "storage_throttled", retryAfterSeconds: 5 },
    cause: { name: "SlowDown", $metadata: { attempts } },
  });
  const calm = await store.throttle({ runId: "r", attempts: 3, percent: 100, forMs: 1000 });
  // Each retry costs 5 of 500.
  let fewest = 3;
  for (let asked = 0; asked < 120 && fewest === 3; asked += 20) {
    const refusals = await Promise.all(Array.from({ length: 20 }, refusal));
    fewest = Math.min(...refusals.map(attemptsOf));
  }
  expect(fewest).toBeLessThan(3);
  await calm();
  expect(await refusal()).toMatchObject(inAll(3));
});

test("a clock that is off signs links of another time, with or without the SDK's knowledge", async () => {
  const own = storeAt(1).withClockOff(-3_600_000);
  onTestFinished(() => own.close());
  const date = new URL(await own.downloadLink("a", 60)).searchParams.get("X-Amz-Date") ?? "";
  const [, year, month, day, hour, minute] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)/.exec(date) ?? [];
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
  expect(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:00Z`)).toBeLessThan(
    Date.parse(hourAgo) + 60_000,
  );
});

test("a storage that dies behind an answer nobody reads leaves the app alive", async () => {
  const port = await answering((_request, response) => {
    response.writeHead(200, { "content-length": "1000" }).write("some");
    setImmediate(() => response.destroy());
  });
  const { body } = await storeAt(port).get("a");
  await new Promise<void>((resolve) => (body as unknown as Socket).once("close", () => resolve()));
});

test("a link is signed without asking anybody, and no part of its credential passes redaction", async () => {
  const link = await storeAt(1).downloadLink("products/1.svg", 60);
  const { searchParams } = new URL(link);
  expect(searchParams.get("X-Amz-Expires")).toBe("60");
  const redactor = createRedactor([secretAccessKey]);
  const signature = searchParams.get("X-Amz-Signature") ?? "none";
  for (const text of [link, `GET ${link} failed`, JSON.stringify({ url: link })]) {
    const clean = redactor.text(text);
    expect(clean).toContain("X-Amz-Signature=REDACTED");
    expect(clean).not.toContain(signature);
    expect(clean).not.toContain("canary-");
  }
});
