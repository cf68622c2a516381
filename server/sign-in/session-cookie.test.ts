import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import Koa from "koa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sessionCookie } from "./session-cookie.ts";
import type { SessionStore } from "./session-store.ts";
import { identify, sessionOf } from "./sessions.ts";

test.each([
  ["http://localhost:4700", "lab_session_4700", false],
  ["http://localhost", "lab_session_80", false],
  ["https://lab.example", "__Host-lab_session_443", true],
  ["https://lab.example:8443", "__Host-lab_session_8443", true],
])("the cookie at %s is %s", (origin, name, secure) => {
  expect(sessionCookie(origin)).toEqual({ name, secure });
});

/** Sessions in a map, of an app behind a front door that ends TLS. */
const kept = new Map<string, object>();
const store: SessionStore = {
  read: async (id) => {
    const data = kept.get(id);
    return data === undefined
      ? { kind: "lost", reason: "not in the store" }
      : { kind: "found", data };
  },
  write: async (id, data) => void kept.set(id, data),
  replace: async (id, data) => void kept.set(id, data),
  remove: async (id) => void kept.delete(id),
  age: async () => {},
};
const server = createServer();
beforeAll(async () => {
  const app = new Koa();
  app.use(identify(app, { origin: "https://lab.example", cookieKeys: ["key"], store }));
  app.use(async (ctx) => {
    if (ctx.path === "/api/begin") await sessionOf(ctx).save({ createdAt: 1 });
    ctx.body = { createdAt: sessionOf(ctx).data.createdAt ?? null };
  });
  server.on("request", app.callback());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => void server.close());

const ask = (path: string, cookie = ""): Promise<{ body: string; cookies: readonly string[] }> =>
  new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    const headers = { host: "lab.example", ...(cookie === "" ? {} : { cookie }) };
    const asked = request({ port, host: "127.0.0.1", path, headers, agent: false }, (answer) => {
      let body = "";
      answer.on("data", (chunk) => {
        body += String(chunk);
      });
      answer.on("end", () => resolve({ body, cookies: answer.headers["set-cookie"] ?? [] }));
    });
    asked.on("error", reject);
    asked.end();
  });

test("over https the session's cookies are secure, for this host and every path, and come back", async () => {
  const { cookies } = await ask("/api/begin");
  expect(cookies).toHaveLength(2);
  for (const cookie of cookies) {
    expect(cookie).toMatch(/^__Host-lab_session_443(\.sig)?=[\w-]+;/);
    expect(cookie).toMatch(/; secure\b/);
    expect(cookie).toMatch(/; path=\/;/);
    expect(cookie).toMatch(/; httponly\b/);
    expect(cookie).not.toMatch(/; domain=/i);
  }
  const pairs = cookies.map((cookie) => cookie.split(";")[0]).join("; ");
  expect(await ask("/api/again", pairs)).toEqual({ body: '{"createdAt":1}', cookies: [] });
});

test("a cookie of the same name without the prefix opens nothing there", async () => {
  const { cookies } = await ask("/api/begin");
  const pairs = cookies.map((cookie) => cookie.split(";")[0]?.replace("__Host-", "")).join("; ");
  expect((await ask("/api/again", pairs)).body).toBe('{"createdAt":null}');
});
