import { afterAll, beforeAll, expect, test } from "vitest";
import type { SignInTampering, Visitor } from "#scenarios/edges/visitor.ts";
import { type SignInApp, startSignInApp } from "./testing/sign-in-app.ts";

let app: SignInApp;
beforeAll(async () => {
  app = await startSignInApp();
}, 30_000);
afterAll(() => app?.close());

const minuteMs = 60_000;
const me = async (visitor: Visitor) =>
  (await (await visitor.http("/api/me")).json()) as {
    readonly user: { readonly username: string } | null;
    readonly degraded: string | null;
  };
const sessionsKept = async () => (await app.valkey.client.keys("session:*")).length;
const cookieOf = (answer: Response): string | undefined =>
  answer.headers
    .getSetCookie()
    .map((line) => /^lab_session_\d+=([^;]+)/.exec(line)?.[1])
    .find((value) => value !== undefined);

test("a visitor signs in, is known, and signs out on both sides", async () => {
  const ada = app.newVisitor();
  expect((await me(ada)).user).toBeNull();
  await ada.signIn();
  expect((await me(ada)).user).toMatchObject({ username: "ada" });
  const kept = await sessionsKept();
  const copy = await ada.copyRefreshToken();
  await ada.signOut();
  expect((await me(ada)).user).toBeNull();
  expect(await sessionsKept()).toBe(kept - 1);
  expect(await copy.redeem()).toBe("invalid_grant");
  expect(ada.cookies().filter((name) => !name.includes("_step"))).toEqual([]);
});

test("the id from before a sign-in is worth nothing after it", async () => {
  const ada = app.newVisitor();
  const begun = await ada.http("/auth/login");
  expect(cookieOf(begun)).toMatch(/^[\w-]{43}$/);
  const pairs = begun.headers.getSetCookie().map((line) => line.split(";")[0]);
  await ada.signIn();
  const answer = await app.fetch("/api/me", { headers: { cookie: pairs.join("; ") } });
  expect(await answer.json()).toMatchObject({ user: null });
});

test("the cookie says what it must, and carries the port", async () => {
  const lines = (await app.fetch("/auth/login")).headers.getSetCookie();
  expect(lines[0]).toMatch(
    /^lab_session_\d+=[\w-]{43}; path=\/; expires=[^;]+; samesite=lax; httponly$/,
  );
});

test("a cookie with a signature that is not ours is not even looked up", async () => {
  const [first = ""] = (await app.fetch("/auth/login")).headers.getSetCookie();
  const pair = first.split(";")[0] ?? "";
  const name = pair.split("=")[0];
  const answer = await app.fetch("/api/me", { headers: { cookie: `${pair}; ${name}.sig=forged` } });
  expect(await answer.json()).toMatchObject({ user: null, degraded: null });
});

test("a callback works once", async () => {
  const ada = app.newVisitor();
  let callback = "";
  const answer = await ada.attemptSignIn({
    callback: (url) => {
      callback = url.pathname + url.search;
    },
  });
  expect(answer.status).toBe(303);
  expect((await ada.http(callback)).status).toBe(400);
  expect((await app.fetch(callback)).status).toBe(400);
});

test.each<[string, SignInTampering]>([
  ["another nonce", { request: (url) => url.searchParams.set("nonce", "of-another-sign-in") }],
  ["another state", { callback: (url) => url.searchParams.set("state", "of-another-sign-in") }],
  ["no state", { callback: (url) => url.searchParams.delete("state") }],
])("a sign-in with %s leaves neither session nor cookie", async (_name, tampering) => {
  const kept = await sessionsKept();
  const mallory = app.newVisitor();
  const answer = await mallory.attemptSignIn(tampering);
  expect(answer.status).toBe(400);
  expect(mallory.cookies().some((name) => name.startsWith("lab_session"))).toBe(false);
  expect(await sessionsKept()).toBe(kept);
});

test.each([
  ["29 minutes unused", 29 * minuteMs, false, 200],
  ["31 minutes unused", 31 * minuteMs, false, 401],
  ["7 h 59 min in use", 479 * minuteMs, true, 200],
  ["8 h 1 min in use", 481 * minuteMs, true, 401],
])("a session after %s", async (_name, ms, inUse, status) => {
  const ada = app.newVisitor();
  await ada.signIn();
  await ada.letTimePass(ms, { inUse });
  expect((await ada.http("/api/account")).status).toBe(status);
  expect((await me(ada)).user !== null).toBe(status === 200);
});

test("requests that come together refresh once", async () => {
  const ada = app.newVisitor();
  await ada.signIn();
  for (let round = 0; round < 3; round++) {
    await ada.letTimePass(6 * minuteMs);
    const answers = await Promise.all(Array.from({ length: 8 }, () => ada.http("/api/account")));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
  }
});

test("a refresh token that comes back ends the whole family", async () => {
  const ada = app.newVisitor();
  await ada.signIn();
  const copy = await ada.copyRefreshToken();
  await ada.letTimePass(6 * minuteMs);
  expect((await ada.http("/api/account")).status).toBe(200);
  expect(await copy.redeem()).toBe("invalid_grant");
  await ada.letTimePass(6 * minuteMs);
  expect((await ada.http("/api/account")).status).toBe(401);
  expect((await me(ada)).user).toBeNull();
});

test("a sign-out that another site asked for does nothing", async () => {
  const ada = app.newVisitor();
  await ada.signIn();
  for (const site of ["cross-site", "same-site"])
    await ada.http("/auth/logout", { headers: { "sec-fetch-site": site } });
  expect((await me(ada)).user).not.toBeNull();
});

test("without Valkey everybody is a guest for the time being, and nothing stalls", async () => {
  const ada = app.newVisitor();
  await ada.signIn();
  app.valkeyProcess.kill("SIGKILL");
  await app.valkeyProcess.exited;
  const startedAt = performance.now();
  expect(await me(ada)).toMatchObject({ user: null, degraded: "sessions" });
  expect((await ada.http("/auth/login")).status).toBe(503);
  expect((await ada.http("/api/account")).status).toBe(503);
  expect(performance.now() - startedAt).toBeLessThan(1_500);
  expect(ada.cookies().some((name) => name.startsWith("lab_session"))).toBe(true);
});
