import { createHmac, createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What a provider of a test does differently; everything else is right. */
export interface Misbehaviour {
  /** Changes the claims of the ID token; undefined removes one. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Changes the token's header. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly signature?: "other key" | "none" | "hmac with the client secret" | "broken";
  /** Changes the token endpoint's answer; undefined removes a field. */
  readonly answer?: Readonly<Record<string, unknown>>;
  readonly tokenStatus?: number;
  readonly discovery?: "html" | "503" | "other issuer" | "hangs" | "not an object";
}

/** An OpenID provider whose answers can be made wrong in one place. */
export interface HostileProvider {
  readonly issuer: string;
  behave: Misbehaviour;
  /** Goes into the next ID token. */
  nonce: string;
  readonly close: () => Promise<void>;
}

const clientId = "lab-server";
export const clientSecret = "client-secret-of-this-start";

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
const rsa = () => generateKeyPairSync("rsa", { modulusLength: 2048 });

export async function startHostileProvider(): Promise<HostileProvider> {
  const [own, other] = [rsa(), rsa()];
  const server = createServer((request, response) => {
    const { behave } = provider;
    switch (request.url) {
      case "/realms/lab/.well-known/openid-configuration":
        answerDiscovery(response, provider.issuer, behave.discovery);
        break;
      case "/certs":
        json(response, 200, {
          keys: [
            { ...own.publicKey.export({ format: "jwk" }), kid: "own", alg: "RS256", use: "sig" },
          ],
        });
        break;
      case "/token":
        json(response, behave.tokenStatus ?? 200, {
          access_token: "access",
          token_type: "bearer",
          expires_in: 300,
          refresh_token: "refresh",
          id_token: idToken(provider, own.privateKey, other.privateKey),
          ...behave.answer,
        });
        break;
      default:
        json(response, 404, {});
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider: HostileProvider = {
    issuer: `${base}/realms/lab`,
    behave: {},
    nonce: "",
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}

function answerDiscovery(
  response: ServerResponse,
  issuer: string,
  how: Misbehaviour["discovery"],
): void {
  const base = new URL(issuer).origin;
  const right = {
    issuer,
    authorization_endpoint: `${base}/auth`,
    token_endpoint: `${base}/token`,
    jwks_uri: `${base}/certs`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    authorization_response_iss_parameter_supported: true,
  };
  switch (how) {
    case undefined:
      json(response, 200, right);
      break;
    case "other issuer":
      json(response, 200, { ...right, issuer: "https://accounts.example" });
      break;
    case "not an object":
      json(response, 200, [right]);
      break;
    case "503":
      json(response, 503, { error: "busy" });
      break;
    case "html":
      response.writeHead(200, { "content-type": "text/html" });
      response.end("<h1>Welcome</h1>");
      break;
    case "hangs":
      break;
  }
}

function idToken(
  { behave, issuer, nonce }: HostileProvider,
  own: KeyObject,
  other: KeyObject,
): string | undefined {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: issuer,
    aud: clientId,
    sub: "user-1",
    nonce,
    iat: now,
    exp: now + 300,
    preferred_username: "ada",
    name: "Ada Lovelace",
    email: "ada@shop.example",
    ...behave.claims,
  };
  const input = `${encode({ alg: "RS256", kid: "own", ...behave.header })}.${encode(claims)}`;
  const signed = (key: KeyObject) => createSign("RSA-SHA256").update(input).sign(key, "base64url");
  switch (behave.signature) {
    case undefined:
      return `${input}.${signed(own)}`;
    case "other key":
      return `${input}.${signed(other)}`;
    case "none":
      return `${input}.`;
    case "hmac with the client secret":
      return `${input}.${createHmac("sha256", clientSecret).update(input).digest("base64url")}`;
    case "broken":
      return `${input}.${signed(own).slice(0, -8)}AAAAAAAA`;
  }
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}
