import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { SignInTampering, Visitor } from "#scenarios/edges/visitor.ts";
import { sessionStore } from "./session-store.ts";
import { type ProviderName, type SignInApp, startSignInApp } from "./testing/sign-in-app.ts";

// A Java machine that starts, and pages it renders for the first time.
vi.setConfig({ hookTimeout: 240_000 });

const minuteMs = 60_000;
const me = async (visitor: Visitor) =>
  (await (await visitor.http("/api/me")).json()) as {
    readonly user: { readonly username: string } | null;
    readonly degraded: string | null;
  };
const cookieOf = (answer: Response): string | undefined =>
  answer.headers
    .getSetCookie()
    .map((line) => /^lab_session_\d+=([^;]+)/.exec(line)?.[1])
    .find((value) => value !== undefined);

const prompt = (how: string) => (url: URL) => url.searchParams.set("prompt", how);
const withoutPkce = (url: URL) => {
  for (const name of ["code_challenge", "code_challenge_method"]) url.searchParams.delete(name);
};

/** Stand-in and real program have to agree on all of it. */
describe.for<ProviderName>(["stand-in", "Keycloak"])("with the %s", (provider) => {
  let app: SignInApp;
  let missing: string | undefined;
  beforeAll(async () => {
    const opened = await startSignInApp(provider);
    if (typeof opened === "string") missing = opened;
    else app = opened;
  });
  afterAll(() => app?.close());
  /** Skipped, with the reason, where the program is missing. */
  const behaviour = (name: string, check: () => Promise<void>): void =>
    test(name, async ({ skip }) => {
      if (missing !== undefined) skip(missing);
      await check();
    });
  const sessionsKept = async () => (await app.valkey.client.keys("session:*")).length;

  behaviour("a visitor signs in, is known, and signs out on both sides", async () => {
    const ada = app.newVisitor();
    expect((await me(ada)).user).toBeNull();
    expect(await ada.signIn("/runs?limit=5")).toBe("/runs?limit=5");
    expect((await me(ada)).user).toMatchObject({ username: "ada" });
    const kept = await sessionsKept();
    const copy = await ada.copyRefreshToken();
    await ada.signOut();
    expect((await me(ada)).user).toBeNull();
    expect(await sessionsKept()).toBe(kept - 1);
    expect(await copy.redeem()).toBe("invalid_grant");
    expect(ada.cookies().filter((name) => name.startsWith("lab_session"))).toEqual([]);
    // The provider has forgotten her as well.
    expect((await ada.attemptSignIn({ request: prompt("none") })).status).toBe(400);
  });

  behaviour("the id from before a sign-in is worth nothing after it", async () => {
    const ada = app.newVisitor();
    const begun = await ada.http("/auth/login");
    expect(cookieOf(begun)).toMatch(/^[\w-]{43}$/);
    const pairs = begun.headers.getSetCookie().map((line) => line.split(";")[0]);
    await ada.signIn();
    const answer = await app.fetch("/api/me", { headers: { cookie: pairs.join("; ") } });
    expect(await answer.json()).toMatchObject({ user: null });
  });

  behaviour("the cookie says what it must, and carries the port", async () => {
    const lines = (await app.fetch("/auth/login")).headers.getSetCookie();
    expect(lines[0]).toMatch(
      /^lab_session_\d+=[\w-]{43}; path=\/; expires=[^;]+; samesite=lax; httponly$/,
    );
  });

  behaviour("a cookie with a signature that is not ours is not even looked up", async () => {
    const [first = ""] = (await app.fetch("/auth/login")).headers.getSetCookie();
    const pair = first.split(";")[0] ?? "";
    const name = pair.split("=")[0];
    const answer = await app.fetch("/api/me", {
      headers: { cookie: `${pair}; ${name}.sig=forged` },
    });
    expect(await answer.json()).toMatchObject({ user: null, degraded: null });
  });

  behaviour("a callback works once", async () => {
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

  for (const [name, tampering] of [
    ["another nonce", { request: (url) => url.searchParams.set("nonce", "of-another-sign-in") }],
    ["another state", { callback: (url) => url.searchParams.set("state", "of-another-sign-in") }],
    ["no state", { callback: (url) => url.searchParams.delete("state") }],
    ["a foreign issuer", { callback: (url) => url.searchParams.set("iss", "https://a.example") }],
    ["a forged code", { callback: (url) => url.searchParams.set("code", "forged") }],
    [
      "another challenge",
      { request: (url) => url.searchParams.set("code_challenge", "x".repeat(43)) },
    ],
    ["no PKCE", { request: withoutPkce }],
    ["plain PKCE", { request: (url) => url.searchParams.set("code_challenge_method", "plain") }],
    [
      "another response type",
      { request: (url) => url.searchParams.set("response_type", "id_token") },
    ],
    ["consent denied", { request: prompt("consent"), deniesConsent: true }],
    ["prompt=none by a stranger", { request: prompt("none") }],
  ] as const satisfies readonly (readonly [string, SignInTampering])[])
    behaviour(`a sign-in with ${name} leaves neither session nor cookie`, async () => {
      const kept = await sessionsKept();
      const mallory = app.newVisitor();
      const answer = await mallory.attemptSignIn(tampering);
      expect(answer.status).toBe(400);
      expect(mallory.cookies().some((name) => name.startsWith("lab_session"))).toBe(false);
      expect(await sessionsKept()).toBe(kept);
    });

  for (const [name, ms, inUse, status] of [
    ["29 minutes unused", 29 * minuteMs, false, 200],
    ["31 minutes unused", 31 * minuteMs, false, 401],
    ["7 h 59 min in use", 479 * minuteMs, true, 200],
    ["8 h 1 min in use", 481 * minuteMs, true, 401],
  ] as const)
    behaviour(`a session after ${name}`, async () => {
      const ada = app.newVisitor();
      await ada.signIn();
      await ada.letTimePass(ms, { inUse });
      expect((await ada.http("/api/account")).status).toBe(status);
      expect((await me(ada)).user !== null).toBe(status === 200);
    });

  behaviour(
    "a dead cookie is taken back, but never by what a page sends while it goes away",
    async () => {
      const ada = app.newVisitor();
      await ada.signIn();
      await ada.loseSession();
      const held = () => ada.cookies().filter((name) => name.startsWith("lab_session"));
      expect(held().length).toBeGreaterThan(0);
      await ada.http("/api/vitals", { method: "POST" });
      expect(held().length).toBeGreaterThan(0);
      expect((await me(ada)).user).toBeNull();
      expect(held()).toEqual([]);
    },
  );

  behaviour("why a session is gone can be told from what it left behind", async () => {
    const store = sessionStore(app.valkey);
    const data = () => ({
      user: { sub: "1", username: "ada", name: "Ada", email: "" },
      createdAt: Date.now(),
    });
    const deleted = (prefix: string) => async () => {
      const found = await app.valkey.client.keys(prefix);
      await app.valkey.client.del(...found);
    };
    const reasons = [
      ["idle limit", (id: string) => store.age(id, 31 * minuteMs, false)],
      ["absolute limit", (id: string) => store.age(id, 481 * minuteMs, true)],
      // Nobody came for so long that both are over: no use of it could have kept it.
      ["absolute limit", (id: string) => store.age(id, 481 * minuteMs, false)],
      ["not in the store", store.remove],
      ["not in the store", deleted("session:*")],
      ["not in the store", deleted("session*")],
    ] as const;
    for (const [reason, end] of reasons) {
      const id = `of-this-test-${Math.random()}`;
      await store.write(id, data());
      expect(await store.read(id)).toMatchObject({ kind: "found" });
      await end(id);
      for (const _ of ["first", "poll after it"])
        expect(await store.read(id)).toEqual({ kind: "lost", reason });
    }
    // A sign-in that was begun and never ended was no session.
    await store.write("begun", { pending: {} });
    await store.age("begun", 11 * minuteMs, false);
    expect(await store.read("begun")).toEqual({ kind: "lost", reason: "not in the store" });
    expect(await app.valkey.client.keys("session*")).not.toContain("begun");
  });

  behaviour("who leaves leaves no session, here or at the provider", async () => {
    const kept = (await app.valkey.client.keys("session*")).length;
    const [ada, other] = [app.newVisitor(), app.newVisitor()];
    await ada.signIn();
    await ada.letTimePass(31 * minuteMs);
    expect((await ada.http("/api/account")).status).toBe(401);
    await other.signIn();
    const copy = await other.copyRefreshToken();
    for (const visitor of [ada, other]) await visitor.leave();
    expect(await app.valkey.client.keys("session*")).toHaveLength(kept);
    expect(await copy.redeem()).toBe("invalid_grant");
    for (const visitor of [ada, other])
      expect((await visitor.attemptSignIn({ request: prompt("none") })).status).toBe(400);
  });

  behaviour("requests that come together refresh once", async () => {
    const ada = app.newVisitor();
    await ada.signIn();
    for (let round = 0; round < 3; round++) {
      await ada.letTimePass(6 * minuteMs);
      const answers = await Promise.all(Array.from({ length: 8 }, () => ada.http("/api/account")));
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    }
  });

  behaviour("a refresh token that comes back ends the whole family", async () => {
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

  behaviour("a sign-out that another site asked for does nothing", async () => {
    const ada = app.newVisitor();
    await ada.signIn();
    for (const site of ["cross-site", "same-site"])
      await ada.http("/auth/logout", { headers: { "sec-fetch-site": site } });
    expect((await me(ada)).user).not.toBeNull();
  });

  behaviour("the ID token and the provider's own answer about the user say the same", async () => {
    const ada = app.newVisitor();
    await ada.signIn();
    const { user } = await me(ada);
    expect(user).toEqual({
      // The same in every lab.
      id: "5f1a0c3e-7d24-4b96-a1e8-90c2d6b7e345",
      ...{ username: "ada", name: "Ada Lovelace", email: "ada@shop.example" },
    });
    expect(await (await ada.http("/api/account")).json()).toEqual({ account: user });
  });

  behaviour("a wrong password is refused on the page it was typed on", async () => {
    await expect(app.newVisitor("not hers").signIn()).rejects.toThrow("the password was refused");
  });

  behaviour("whoever is known to the provider signs in again without a password", async () => {
    const ada = app.newVisitor();
    await ada.signIn();
    await ada.letTimePass(31 * minuteMs);
    expect((await me(ada)).user).toBeNull();
    expect((await ada.attemptSignIn({ request: prompt("none") })).status).toBe(303);
    expect((await me(ada)).user).not.toBeNull();
  });

  behaviour("who is asked for consent and gives it is signed in", async () => {
    const ada = app.newVisitor();
    expect((await ada.attemptSignIn({ request: prompt("consent") })).status).toBe(303);
    expect((await me(ada)).user).not.toBeNull();
  });

  behaviour("nobody is sent to an address that is not the app's", async () => {
    for (const address of ["https://evil.example/auth/callback", `${app.origin}/elsewhere`]) {
      const lured = app.newVisitor().attemptSignIn({
        request: (url) => url.searchParams.set("redirect_uri", address),
      });
      await expect(lured).rejects.toThrow("the provider answered 400 without a form");
    }
  });

  /** A call as the app makes them, with the client's secret or another. */
  const post = (path: string, fields: Record<string, string>, secret = app.client.secret) =>
    fetch(`${app.issuer}/protocol/openid-connect/${path}`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${app.client.id}:${secret}`)}` },
      body: new URLSearchParams(fields),
    });
  const errorOf = async (answer: Response) =>
    ((await answer.json()) as { readonly error: string }).error;

  behaviour("another secret than the client's is refused", async () => {
    const fields = { grant_type: "refresh_token", refresh_token: "x" };
    const answer = await post("token", fields, "not the secret");
    expect(answer.status).toBe(401);
    // The specification calls it invalid_client (RFC 6749, 5.2); Keycloak does not.
    expect(["invalid_client", "unauthorized_client"]).toContain(await errorOf(answer));
  });

  behaviour("a password alone gets no tokens", async () => {
    const { name: username, password } = app.user;
    const answer = await post("token", { grant_type: "password", username, password });
    expect(answer.status).toBe(400);
    // The stand-in does not know of such a grant at all.
    expect(["unauthorized_client", "unsupported_grant_type"]).toContain(await errorOf(answer));
  });

  behaviour("a token that is none says nothing of anybody", async () => {
    const told = await post("token/introspect", { token: "x" });
    expect(await told.json()).toEqual({ active: false });
    expect((await post("revoke", { token: "x" })).status).toBe(200);
    const answer = await fetch(`${app.issuer}/protocol/openid-connect/userinfo`, {
      headers: { authorization: "Bearer x" },
    });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer .*error="invalid_token"/);
  });

  behaviour("a sign-out ends at no address that is not the app's", async () => {
    const url = new URL(`${app.issuer}/protocol/openid-connect/logout`);
    url.searchParams.set("client_id", app.client.id);
    url.searchParams.set("post_logout_redirect_uri", "https://evil.example/");
    expect((await fetch(url, { redirect: "manual" })).status).toBe(400);
  });

  behaviour(
    "without Valkey everybody is a guest for the time being, and nothing stalls",
    async () => {
      const ada = app.newVisitor();
      await ada.signIn();
      app.valkeyProcess.kill("SIGSTOP");
      app.valkey.setPatience(250);
      const startedAt = performance.now();
      expect(await me(ada)).toMatchObject({ user: null, degraded: "sessions" });
      expect((await ada.http("/auth/login")).status).toBe(503);
      expect((await ada.http("/api/account")).status).toBe(503);
      // A quarter of a second once, and never the client's own ten seconds.
      expect(performance.now() - startedAt).toBeLessThan(7_000);
      expect(ada.cookies().some((name) => name.startsWith("lab_session"))).toBe(true);
      app.valkeyProcess.kill("SIGCONT");
      app.valkey.setPatience();
      await expect.poll(app.valkey.isThere).toBe(true);
    },
  );
});
