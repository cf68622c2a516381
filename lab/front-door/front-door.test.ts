import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { expect, test } from "vitest";
import { within } from "#lab/supervisor/testing/supervise.ts";
import { LabError } from "../errors.ts";
import { openFrontDoor } from "./front-door.ts";
import type { BuildPage } from "./page-host.ts";
import {
  type Answer,
  openDoorUnderTest,
  secrets,
  sendRaw,
  writing,
} from "./testing/door-under-test.ts";

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((address) => address?.address === "::1");

const untilStopped: BuildPage = async ({ signal }) => {
  if (signal) await once(signal, "abort");
  throw new Error("stopped");
};

test("before anything is attached it says that it is starting, to programs and to people", async () => {
  await using lab = await openDoorUnderTest({ attach: false, build: untilStopped });
  const { ask } = lab;
  const api = await ask("/lab/api/status");
  expect(api).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  expect(api.json.error.code).toBe("starting");
  const app = await ask("/api/me");
  expect(app.json.error.code).toBe("starting");
  const ingest = await ask("/lab/ingest/v1/traces", { method: "POST", body: "{}" });
  expect(ingest).toMatchObject({ status: 503, headers: { "retry-after": "1" } });

  const page = await ask("/", { headers: { accept: "text/html" } });
  expect(page.status).toBe(503);
  expect(page.text).toContain('http-equiv="refresh"');
  expect((await ask("/healthz")).status).toBe(200);
});

test("a page that cannot be built is explained where it would be", async () => {
  const error = new LabError("page-build-failed", "The page could not be built.\n<App> is broken", {
    hint: "Correct it.",
  });
  await using lab = await openDoorUnderTest({ build: () => Promise.reject(error) });
  await expect(lab.door.page).rejects.toBe(error);
  const page = await lab.ask("/", { headers: { accept: "text/html" } });
  expect(page.status).toBe(500);
  expect(page.text).toContain("&lt;App&gt; is broken");
  expect((await lab.ask("/lab/api/status")).status).toBe(200);
});

test("it answers on both loopback addresses, at one port", async () => {
  await using lab = await openDoorUnderTest();
  expect(lab.door.origin).toBe(`http://localhost:${lab.door.port}`);
  expect((await lab.ask("/healthz")).status).toBe(200);
  if (hasIpv6) expect((await lab.ask("/healthz", { address: "::1" })).status).toBe(200);
});

test.each(hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"])(
  "a port busy on %s is told as such",
  async (host) => {
    const other = createServer().listen(0, host);
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const options = { port, dir: "/nonexistent", secrets, env: {} };
    await expect(openFrontDoor(options)).rejects.toMatchObject({ code: "port-busy" });
    other.close();
  },
);

const head = (first: string, ...lines: readonly string[]) =>
  `${[first, ...lines, "Connection: close"].join("\r\n")}\r\n\r\n`;
const ours = "Host: localhost:PORT";

test.each([
  ["CONNECT", 405, head("CONNECT evil.com:443 HTTP/1.1", "Host: evil.com:443")],
  ["TRACE", 405, head("TRACE / HTTP/1.1", ours)],
  ["a method nobody knows", 501, head("BREW / HTTP/1.1", ours)],
  ["two Hosts", 421, head("GET / HTTP/1.1", ours, "Host: evil.com")],
  ["no Host", 421, head("GET / HTTP/1.1")],
  ["HTTP/1.0", 421, head("GET / HTTP/1.0")],
  ["an absolute target", 400, head("GET http://evil.com/ HTTP/1.1", ours)],
  ["a Host with a user part", 421, head("GET / HTTP/1.1", "Host: localhost:1@evil.com")],
  ["a Host with a space", 421, head("GET / HTTP/1.1", "Host: a b")],
  ["half an IPv6 Host", 421, head("GET / HTTP/1.1", "Host: [::1")],
  ["a Host that is a percent sign", 421, head("GET / HTTP/1.1", "Host: %")],
  ["20 kB of headers", 431, head("GET / HTTP/1.1", ours, `X-Big: ${"x".repeat(20_000)}`)],
  ["a line that is no header", 400, head("GET / HTTP/1.1", ours, "no header")],
  [
    "both framings",
    400,
    head("POST /api/x HTTP/1.1", ours, "Content-Length: 3", "Transfer-Encoding: chunked"),
  ],
  [
    "a WebSocket handshake",
    400,
    "GET /lab/api/events HTTP/1.1\r\nHost: localhost:PORT\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n",
  ],
])("%s is answered %d, under the policy, and the door stays", async (_what, status, text) => {
  await using lab = await openDoorUnderTest();
  const answer = await sendRaw(lab.door.port, text.replaceAll("PORT", String(lab.door.port)));
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(answer.toLowerCase()).toContain("content-security-policy: default-src 'self'");
  expect((await lab.ask("/healthz")).status).toBe(200);
});

test("a document on another loopback name moves to the canonical origin", async () => {
  await using lab = await openDoorUnderTest();
  const moved = await lab.ask("/runs?x=1", { headers: { host: `127.0.0.1:${lab.door.port}` } });
  expect(moved).toMatchObject({
    status: 307,
    headers: { location: `${lab.door.origin}/runs?x=1` },
  });
});

test("every kind of answer carries the security headers, and only assets may be kept", async () => {
  await using lab = await openDoorUnderTest({
    app: (_request, response) => {
      response.setHeader("x-powered-by", "Koa");
      response.setHeader("content-security-policy", "default-src *");
      response.setHeader("cache-control", "public");
      response.end("app");
    },
  });
  const refused = { headers: { host: "evil.com" } };
  const answers = await Promise.all([
    ...["/", "/nothing", "/assets/app-Ab3_de5f.js", "/lab/api/status", "/lab/api/runs/nothing"].map(
      (path) => lab.ask(path),
    ),
    ...["/api/me", "/auth/login", `/lab/api/traces/${"a".repeat(32)}`, "/healthz"].map((path) =>
      lab.ask(path),
    ),
    lab.ask("/", refused),
    lab.ask("/", { headers: { host: `127.0.0.1:${lab.door.port}` } }),
    lab.ask("/lab/api/runs", { method: "POST" }),
    lab.ask("/lab/ingest/v1/logs", { method: "POST", body: "{}" }),
  ]);
  for (const { headers } of answers) {
    expect(headers).toMatchObject({
      "content-security-policy":
        "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
    });
    expect(headers).not.toHaveProperty("x-powered-by");
    expect(headers).not.toHaveProperty("access-control-allow-origin");
  }
  const caching = answers.map(({ headers }) => headers["cache-control"]);
  expect(caching[0]).toBe("no-cache");
  expect(caching[2]).toBe("public, max-age=31536000, immutable");
  expect(new Set(caching.filter((_, i) => i !== 0 && i !== 2))).toEqual(new Set(["no-store"]));
});

test("telemetry goes on to the store, byte for byte", async () => {
  await using lab = await openDoorUnderTest();
  const body = Buffer.from([0, 255, 10, 13, 128]);
  const paths = ["/lab/ingest/v1/traces", "/lab/ingest/v1/logs", "/lab/ingest/v1/metrics"];
  for (const path of [...paths, "/lab/ingest/envelope"]) {
    const headers = { "content-type": "application/x-protobuf" };
    expect((await lab.ask(path, { method: "POST", headers, body })).status).toBe(200);
  }
  expect(lab.double.store.received.map(({ url, body }) => ({ url, body }))).toEqual(
    ["/v1/traces", "/v1/logs", "/v1/metrics", "/api/1/envelope/"].map((url) => ({ url, body })),
  );
});

test("telemetry without an announced size is cut at the limit", async () => {
  await using lab = await openDoorUnderTest();
  const tooMuch = await lab.ask("/lab/ingest/v1/traces", {
    method: "POST",
    headers: { "transfer-encoding": "chunked" },
    body: Buffer.alloc(8 * 1024 * 1024 + 1),
  });
  expect(tooMuch.status).toBe(413);
  expect(lab.double.store.received).toEqual([]);
});

test("beyond the quota telemetry is told to come later", async () => {
  await using lab = await openDoorUnderTest();
  const body = Buffer.alloc(8 * 1024 * 1024);
  const send = () => lab.ask("/lab/ingest/v1/traces", { method: "POST", body });
  const answers: Answer[] = [];
  const refused = () => answers.filter(({ status }) => status === 429);
  // More than it takes in a second at a time, however long each takes.
  while (refused().length === 0)
    answers.push(...(await Promise.all(Array.from({ length: 6 }, send))));
  expect(refused()[0]).toMatchObject({
    headers: { "retry-after": expect.stringMatching(/^[1-9]/) },
  });
  expect(lab.double.store.received).toHaveLength(answers.length - refused().length);
});

test("closing ends streams and requests under way at once", async () => {
  const lab = await openDoorUnderTest({ app: () => undefined });
  const stream = await fetch(`${lab.door.origin}/lab/api/events`);
  const hanging = lab.ask("/api/slow").catch((error: Error) => error);
  const write = lab.ask("/api/slow", { method: "POST", headers: writing, body: "{}" });
  const broken = write.catch((error: Error) => error);
  await within(2_000, lab.door.close());
  await stream.text();
  expect(await hanging).toBeInstanceOf(Error);
  expect(await broken).toBeInstanceOf(Error);
  expect(lab.double.listeners()).toBe(0);
  await lab.double.close();
  await rm(lab.dir, { recursive: true });
});
