import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { CircuitOpenError } from "../valkey/circuit.ts";
import { type IdentityProvider, openIdentityProvider } from "./identity-provider.ts";
import { codeOf, isProviderAway } from "./provider-errors.ts";
import type { PendingSignIn } from "./session-data.ts";
import {
  clientSecret,
  type HostileProvider,
  type Misbehaviour,
  startHostileProvider,
} from "./testing/hostile-provider.ts";

const origin = "http://localhost:4700";
let hostile: HostileProvider;
let provider: IdentityProvider;
let outages: unknown[];

beforeAll(async () => {
  hostile = await startHostileProvider();
});
afterAll(() => hostile.close());
beforeEach(() => {
  hostile.behave = {};
  outages = [];
  provider = openIdentityProvider(
    { origin, oidc: { issuer: hostile.issuer, clientId: "lab-server", clientSecret } },
    { onAway: (error) => outages.push(error) },
  );
  return () => provider.close();
});

const pending: PendingSignIn = {
  verifier: "v".repeat(43),
  nonce: "nonce-1",
  returnTo: "/",
  startedAt: 0,
};

/** Comes back from the provider with these parameters; undefined removes one. */
function comeBack(behave: Misbehaviour, query: Readonly<Record<string, string | undefined>> = {}) {
  hostile.behave = behave;
  hostile.nonce = pending.nonce;
  const url = new URL("/auth/callback", origin);
  const parameters = { code: "code-1", state: "state-1", iss: hostile.issuer, ...query };
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) url.searchParams.set(name, value);
  return provider.redeem(url, pending, "state-1");
}

test("what is right is accepted", async () => {
  expect(await comeBack({})).toMatchObject({
    user: { sub: "user-1", username: "ada", name: "Ada Lovelace", email: "ada@shop.example" },
    tokens: { access: "access", refresh: "refresh" },
  });
});

test("a sign-in asks for a code, with PKCE, state and nonce", async () => {
  const { searchParams } = await provider.signInUrl(pending, "state-1");
  expect(Object.fromEntries(searchParams)).toEqual({
    response_type: "code",
    client_id: "lab-server",
    redirect_uri: `${origin}/auth/callback`,
    scope: "openid profile email",
    state: "state-1",
    nonce: "nonce-1",
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    code_challenge_method: "S256",
  });
});

describe("refused, and not taken for an outage", () => {
  const past = Math.floor(Date.now() / 1000) - 3600;
  // Named as the conformance suite of the OpenID Foundation names its modules for clients.
  test.each<[string, Misbehaviour]>([
    ["invalid nonce", { claims: { nonce: "of-another-sign-in" } }],
    ["missing nonce", { claims: { nonce: undefined } }],
    ["invalid iss", { claims: { iss: "https://accounts.example" } }],
    ["missing iss", { claims: { iss: undefined } }],
    ["invalid aud", { claims: { aud: "another-client" } }],
    ["missing aud", { claims: { aud: undefined } }],
    ["several aud with another azp", { claims: { aud: ["lab-server", "b"], azp: "b" } }],
    ["missing sub", { claims: { sub: undefined } }],
    ["sub that is no text", { claims: { sub: 7 } }],
    ["missing iat", { claims: { iat: undefined } }],
    ["missing exp", { claims: { exp: undefined } }],
    ["expired exp", { claims: { exp: past } }],
    ["exp that is no number", { claims: { exp: "tomorrow" } }],
    ["nbf in the future", { claims: { nbf: past + 7200 } }],
    ["unsigned", { header: { alg: "none" }, signature: "none" }],
    ["signature removed", { signature: "none" }],
    [
      "signed with the client secret",
      { header: { alg: "HS256" }, signature: "hmac with the client secret" },
    ],
    ["other algorithm in the header", { header: { alg: "PS256" } }],
    ["missing ID token", { answer: { id_token: undefined } }],
    ["ID token that is none", { answer: { id_token: "a.b.c" } }],
    ["missing access token", { answer: { access_token: undefined } }],
    ["unknown token type", { answer: { token_type: "mac" } }],
    ["error of the token endpoint", { tokenStatus: 400, answer: { error: "invalid_grant" } }],
  ])("%s", async (_name, behave) => {
    const error: unknown = await comeBack(behave).then(
      () => "accepted",
      (refusal: unknown) => refusal,
    );
    expect(error).toBeInstanceOf(Error);
    expect(codeOf(error)).toMatch(/^OAUTH_/);
    expect(isProviderAway(error), codeOf(error)).toBe(false);
    expect(outages).toEqual([]);
  });

  test.each<[string, Readonly<Record<string, string | undefined>>]>([
    ["another state", { state: "state-2" }],
    ["no state", { state: undefined }],
    ["a foreign iss", { iss: "https://accounts.example" }],
    ["no iss though it was announced", { iss: undefined }],
    ["no code", { code: undefined }],
    ["a refusal by the user", { code: undefined, error: "access_denied" }],
    ["a password wanted", { code: undefined, error: "login_required" }],
    ["a code and an ID token in the URL", { id_token: "a.b.c" }],
    ["an answer in a JWT", { response: "a.b.c" }],
  ])("callback with %s", async (_name, query) => {
    const error: unknown = await comeBack({}, query).then(
      () => "accepted",
      (refusal: unknown) => refusal,
    );
    expect(codeOf(error)).toMatch(/^OAUTH_/);
    expect(outages).toEqual([]);
  });
});

describe("a provider that does not serve", () => {
  test.each<NonNullable<Misbehaviour["discovery"]>>([
    "html",
    "503",
    "not an object",
    "other issuer",
    "hangs",
  ])("discovery: %s", async (discovery) => {
    hostile.behave = { discovery };
    const startedAt = performance.now();
    await expect(provider.signInUrl(pending, "state-1")).rejects.toThrow();
    // 1.5 s for one that hangs, and not the library's own 30 s.
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(outages).toHaveLength(1);
    await expect(provider.signInUrl(pending, "state-1")).rejects.toThrow(CircuitOpenError);
    expect(outages).toHaveLength(1);
    hostile.behave = {};
    await expect
      .poll(() => provider.signInUrl(pending, "state-1").catch(() => undefined))
      .toBeInstanceOf(URL);
  });

  test("nobody listens", async () => {
    const nowhere = openIdentityProvider({
      origin,
      oidc: { issuer: "http://127.0.0.1:1/realms/lab", clientId: "lab-server", clientSecret },
    });
    const error: unknown = await nowhere
      .signInUrl(pending, "s")
      .catch((refusal: unknown) => refusal);
    expect(isProviderAway(error)).toBe(true);
    nowhere.close();
  });

  test("many who click at once ask once", async () => {
    const urls = await Promise.all(
      Array.from({ length: 20 }, () => provider.signInUrl(pending, "state-1")),
    );
    expect(new Set(urls.map(String)).size).toBe(1);
  });
});
