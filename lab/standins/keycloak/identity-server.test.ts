import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type IdentityServer, openIdentityServer } from "./identity-server.ts";
import { seededUser } from "./settings.ts";
import { signingKey } from "./signing-key.ts";
import { stateTable } from "./state-table.ts";

let dir: string;
let server: IdentityServer;
const errors: unknown[] = [];
const appOrigin = "http://localhost:4700";

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-keycloak-"));
  server = await openIdentityServer(
    {
      ...{ port: 0, dir, issuer: "http://localhost:0/realms/lab" },
      client: { id: "lab-server", secret: "client-secret-of-this-start", origin: appOrigin },
      user: seededUser("ada", "user-password-of-this-start"),
    },
    (error) => errors.push(error),
  );
});
afterAll(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

/** Status for a request with this Host header, which `fetch` would not send. */
const statusFor = (host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const headers = { host };
    const asked = request({ port: server.port, host: "127.0.0.1", path: "/health/ready", headers });
    asked.on("response", (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asked.on("error", reject);
    asked.end();
  });

test("it has Keycloak's addresses, below the issuer it was asked at", async () => {
  const answer = await fetch(`${server.issuer}/.well-known/openid-configuration`);
  const base = `${server.issuer}/protocol/openid-connect`;
  expect(await answer.json()).toMatchObject({
    issuer: server.issuer,
    authorization_endpoint: `${base}/auth`,
    token_endpoint: `${base}/token`,
    userinfo_endpoint: `${base}/userinfo`,
    jwks_uri: `${base}/certs`,
    end_session_endpoint: `${base}/logout`,
    revocation_endpoint: `${base}/revoke`,
    code_challenge_methods_supported: ["S256"],
  });
});

test.each([
  "evil.example",
  "127.0.0.1.nip.io",
  "localhost",
  "localhost:1",
  "localhost:1@evil.example",
  "[::1",
  "0.0.0.0",
])("Host %j is refused", async (host) => {
  expect(await statusFor(host)).toBe(421);
});

test("its own names are answered", async () => {
  for (const name of ["localhost", "127.0.0.1", "[::1]"])
    expect(await statusFor(`${name}:${server.port}`)).toBe(200);
});

test("a sign-in without PKCE, or to another address, is refused on a page and not by a redirect", async () => {
  const url = new URL(`${server.issuer}/protocol/openid-connect/auth`);
  url.search = new URLSearchParams({
    client_id: "lab-server",
    response_type: "code",
    scope: "openid",
    redirect_uri: "https://evil.example/auth/callback",
  }).toString();
  const answer = await fetch(url, { redirect: "manual" });
  expect(answer.status).toBe(400);
  const policy = answer.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain("unsafe");
  expect(await answer.text()).toContain("redirect_uri");

  url.searchParams.set("redirect_uri", `${appOrigin}/auth/callback`);
  const back = await fetch(url, { redirect: "manual" });
  expect(back.headers.get("location")).toContain("error=invalid_request");
});

test("an interaction without its cookie shows nothing", async () => {
  const answer = await fetch(`${server.issuer}/login-actions/authenticate/somebody-elses`);
  expect(answer.status).toBe(400);
  expect(await answer.text()).not.toContain("user-password-of-this-start");
});

test("the style of its pages is the dashboard's, and everything comes from itself", async () => {
  const answer = await fetch(new URL("/resources/lab/sign-in.css", server.issuer));
  const css = await answer.text();
  expect(css).toContain("--accent-fill");
  expect(css.match(/url\([^)]*\)/g)).toEqual(["url(/resources/lab/inter.woff2)"]);
  const font = await fetch(new URL("/resources/lab/inter.woff2", server.issuer));
  expect(font.headers.get("content-type")).toBe("font/woff2");
});

test("the signing key is kept for its owner alone, and a spoilt one set aside", async () => {
  const own = await mkdtemp(join(tmpdir(), "lab-keycloak-"));
  const path = join(own, "signing-key.json");
  const first = await signingKey(own);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await chmod(path, 0o644);
  expect(await signingKey(own)).toEqual(first);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  await writeFile(path, "{");
  expect((await signingKey(own)).kid).not.toBe(first.kid);
  expect((await readdir(own)).some((name) => name.includes(".bad-"))).toBe(true);
  expect(JSON.parse(await readFile(path, "utf8"))).toMatchObject({ alg: "RS256" });
  await rm(own, { recursive: true, force: true });
});

test("what has expired is gone, and a grant takes its tokens with it", async () => {
  let now = 0;
  const table = stateTable(() => now);
  await table.upsert("a", { grantId: "g", uid: "u" }, 10);
  await table.upsert("b", { grantId: "g" }, 20);
  await table.consume("a");
  expect(await table.findByUid("u")).toMatchObject({ consumed: 0 });
  now = 11_000;
  expect(await table.find("a")).toBeUndefined();
  expect(await table.find("b")).toBeDefined();
  await table.revokeByGrantId("g");
  expect(await table.find("b")).toBeUndefined();
});

test("nothing of this was an error of the provider", () => {
  expect(errors).toEqual([]);
});
