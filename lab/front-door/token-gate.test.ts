import type { IncomingHttpHeaders } from "node:http";
import { expect, test } from "vitest";
import { openDoorUnderTest, writing } from "./testing/door-under-test.ts";

const token = "k3Jd8s0PqLmZx71Tn4VwYg";

async function open() {
  const seen: IncomingHttpHeaders[] = [];
  const lab = await openDoorUnderTest({
    token,
    app: (request, response) => {
      seen.push(request.headers);
      response.end("app");
    },
  });
  const linkPath = () => new URL(lab.door.link()).pathname;
  return { ...lab, linkPath, seen, [Symbol.asyncDispose]: lab[Symbol.asyncDispose] };
}

test("whoever brings no token comes no further than the sign of life", async () => {
  await using lab = await open();
  const attempts = [
    lab.ask("/"),
    lab.ask("/assets/app-Ab3_de5f.js"),
    lab.ask("/lab/api/status"),
    lab.ask("/lab/api/events"),
    lab.ask("/api/me"),
    lab.ask("/lab/api/runs", { method: "POST", headers: writing, body: '{"scenario":"db.test"}' }),
    lab.ask("/lab/ingest/v1/traces", { method: "POST", body: "{}" }),
    lab.ask("/lab/api/status", { headers: { authorization: "Bearer wrong" } }),
    lab.ask("/lab/api/status", { headers: { authorization: "Bearer " } }),
    lab.ask("/lab/api/status", { headers: { cookie: `lab_door_${lab.door.port}=wrong` } }),
    lab.ask("/lab/api/status", { headers: { cookie: `lab_door_${lab.door.port}=${token}` } }),
    lab.ask(`/lab/enter/${token}`),
    lab.ask("/lab/enter/undefined"),
  ];
  for (const answer of await Promise.all(attempts)) {
    expect(answer).toMatchObject({ status: 401, json: { error: { code: "token-needed" } } });
  }
  expect(lab.seen).toEqual([]);
  expect(lab.double.store.received).toEqual([]);
  expect((await lab.ask("/healthz")).status).toBe(200);
  const page = await lab.ask("/", { headers: { accept: "text/html" } });
  expect(page).toMatchObject({ status: 401, text: expect.stringContaining("Open the link") });
});

test("a link works once, gives a cookie, and the cookie opens the lab", async () => {
  await using lab = await open();
  const path = lab.linkPath();
  const entered = await lab.ask(path);
  expect(entered).toMatchObject({ status: 303, headers: { location: "/" } });
  const [cookie = ""] = entered.headers["set-cookie"] ?? [];
  expect(cookie).toMatch(/^lab_door_\d+=[\w-]{22}; HttpOnly; SameSite=Lax; Path=\/$/);
  const headers = { cookie: `other=1; ${cookie.split(";")[0]}` };
  expect((await lab.ask("/", { headers })).status).toBe(200);
  expect((await lab.ask("/lab/api/status", { headers })).status).toBe(200);
  expect((await lab.ask(path)).status).toBe(401);
  expect((await lab.ask(lab.linkPath())).status).toBe(303);
});

test("asking for the headers of a link does not use it up", async () => {
  await using lab = await open();
  const path = lab.linkPath();
  expect((await lab.ask(path, { method: "HEAD" })).status).toBe(405);
  expect((await lab.ask(path)).status).toBe(303);
});

test("programs bring the token itself, and the app sees neither token nor cookie", async () => {
  await using lab = await open();
  const [cookie = ""] = (await lab.ask(lab.linkPath())).headers["set-cookie"] ?? [];
  const pair = cookie.split(";")[0] ?? "";
  await lab.ask("/api/me", { headers: { authorization: `Bearer ${token}` } });
  await lab.ask("/api/me", { headers: { cookie: `a=1; ${pair}; b=2` } });
  await lab.ask("/api/me", { headers: { cookie: pair } });
  expect(lab.seen).toHaveLength(3);
  expect(JSON.stringify(lab.seen)).not.toContain(token);
  expect(lab.seen.map(({ cookie }) => cookie)).toEqual([undefined, "a=1; b=2", undefined]);
});

test("whoever is in may make a link for another browser; a page of another site may not", async () => {
  await using lab = await open();
  const authorization = `Bearer ${token}`;
  const make = (headers: Record<string, string>) =>
    lab.ask("/lab/api/links", { method: "POST", headers, body: "{}" });
  const made = await make({ ...writing, authorization });
  expect(made.status).toBe(201);
  const { link } = made.json as { link: string };
  expect((await lab.ask(new URL(link).pathname)).status).toBe(303);
  expect((await make(writing)).status).toBe(401);
  const foreign = { ...writing, authorization, origin: "http://evil.example" };
  expect((await make(foreign)).status).toBe(403);
});

test("the store sees no token either", async () => {
  await using lab = await open();
  const authorization = `Bearer ${token}`;
  const headers = { "content-type": "application/json", authorization };
  await lab.ask("/lab/ingest/v1/traces", { method: "POST", headers, body: "{}" });
  expect(lab.double.store.received).toHaveLength(1);
  expect(JSON.stringify(lab.double.store.received)).not.toContain(token);
});

test("without a token every address is open, and links lead nowhere", async () => {
  await using lab = await openDoorUnderTest();
  expect(lab.door.link()).toBe(lab.door.origin);
  expect((await lab.ask("/lab/enter/abc")).status).toBe(404);
});
