import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAssets } from "./assets.ts";
import { type Ask, ask, openDoorUnderTest } from "./testing/door-under-test.ts";

const script = `export const page = ${"1 + ".repeat(2000)} 1;\n`;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-assets-"));
  await writeFile(join(dir, "secrets.json"), '{"doorSecret":"canary"}');
  const page = join(dir, "page");
  await mkdir(join(page, "assets"), { recursive: true });
  await writeFile(join(page, "index.html"), "<!doctype html><title>Lab</title>");
  await writeFile(join(page, "assets", "index-DiwrgTda.js"), script);
  await writeFile(join(page, "assets", "inter-Ab_-9x0Z.woff2"), Buffer.alloc(4000));
  await writeFile(join(page, ".env"), "canary");
  await symlink(join(dir, "secrets.json"), join(page, "link.json"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const open = () =>
  openDoorUnderTest({
    build: async () => ({ dir: join(dir, "page"), hash: "0", cached: true }),
  });

test("documents of the page's router are the page", async () => {
  await using lab = await open();
  await lab.door.page;
  for (const path of ["/", "/scenarios/db.test", "/runs?x=1", "/services"]) {
    const answer = await lab.ask(path);
    expect(answer).toMatchObject({ status: 200, text: expect.stringContaining("<title>Lab") });
    expect(answer.headers["content-type"]).toBe("text/html; charset=utf-8");
  }
});

test.each([
  "/../secrets.json",
  "/assets/../../secrets.json",
  "/%2e%2e/secrets.json",
  "/assets/%2e%2e/%2e%2e/secrets.json",
  "/..%2fsecrets.json",
  "/%5c..%5csecrets.json",
  "/assets\\..\\..\\secrets.json",
  "/index.html%00.js",
  "/@fs/etc/passwd",
  "/@fs/etc/passwd?raw??",
  "/@vite/client",
  "/.env",
  "/link.json",
  "/assets",
  "/assets/",
  "/package.json",
  "/.git/config",
  "/etc/passwd",
  "/constructor",
  "/__proto__",
  "/index.html/",
])("%s is 404 and gives nothing away", async (path) => {
  await using lab = await open();
  await lab.door.page;
  const answer = await lab.ask(path);
  expect(answer.status).toBe(404);
  expect(answer.text).not.toContain("canary");
  expect(answer.json.error.code).toBe("not-found");
});

test("a person who asks for what is not there gets a page that says so", async () => {
  await using lab = await open();
  await lab.door.page;
  const answer = await lab.ask("/nothing", { headers: { accept: "text/html" } });
  expect(answer).toMatchObject({ status: 404, text: expect.stringContaining("<h1>Not found") });
});

async function serving(path: string): Promise<{ get: (request?: Ask) => ReturnType<typeof ask> }> {
  const assets = await loadAssets(join(dir, "page"));
  await assets.compressed;
  const server = createServer((request, response) => assets.serve(request, response, path));
  server.listen(0, "127.0.0.1").unref();
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  return { get: (request) => ask(port, path, request) };
}

test("a hashed asset may be kept for ever, in the best coding the client takes", async () => {
  const { get } = await serving("/assets/index-DiwrgTda.js");
  const by = (coding: string) => get({ headers: { "accept-encoding": coding } });
  const [br, gz, plain, refused] = await Promise.all(
    ["gzip, deflate, br", "gzip", "identity", "br;q=0, gzip;q=0"].map(by),
  );
  expect(br?.headers).toMatchObject({
    "content-encoding": "br",
    "content-type": "text/javascript; charset=utf-8",
    "cache-control": "public, max-age=31536000, immutable",
    vary: "accept-encoding",
  });
  expect(brotliDecompressSync(br?.bytes ?? "").toString()).toBe(script);
  expect(gunzipSync(gz?.bytes ?? "").toString()).toBe(script);
  expect(plain?.text).toBe(script);
  expect(refused?.headers).not.toHaveProperty("content-encoding");
});

test("what is compressed already is sent as it is", async () => {
  const { get } = await serving("/assets/inter-Ab_-9x0Z.woff2");
  const answer = await get({ headers: { "accept-encoding": "br" } });
  expect(answer.headers["content-type"]).toBe("font/woff2");
  expect(answer.bytes).toHaveLength(4000);
});

test("the page itself is asked about each time and not sent again", async () => {
  const { get } = await serving("/index.html");
  const first = await get();
  expect(first.headers["cache-control"]).toBe("no-cache");
  const etag = first.headers.etag ?? "";
  expect(await get({ headers: { "if-none-match": etag } })).toMatchObject({
    status: 304,
    text: "",
  });
  expect(await get({ headers: { "if-none-match": `W/${etag}, "x"` } })).toMatchObject({
    status: 304,
  });
  expect(await get({ headers: { "if-none-match": '"other"' } })).toMatchObject({ status: 200 });
  expect(await get({ method: "HEAD" })).toMatchObject({
    text: "",
    headers: { "content-length": first.headers["content-length"] },
  });
});
