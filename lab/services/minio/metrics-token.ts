import { createHmac } from "node:crypto";

/** For one who makes it anew for each reading. */
const validSeconds = 300;
/** For one who reads it from a file as long as the lab runs. */
const scrapeSeconds = 30 * 24 * 3600;

/**
 * A bearer token that reads MinIO's metrics, as `mc admin prometheus generate` makes it: a JWT of the
 * root user for the issuer `prometheus`, signed by HMAC-SHA-512 with the root password.
 */
export const metricsToken = (accessKey: string, secretKey: string): string =>
  tokenFor(accessKey, secretKey, validSeconds);

/** The same for Prometheus, which does not ask again. */
export const scrapeToken = (accessKey: string, secretKey: string): string =>
  tokenFor(accessKey, secretKey, scrapeSeconds);

function tokenFor(accessKey: string, secretKey: string, seconds: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    exp: Math.floor(Date.now() / 1000) + seconds,
    sub: accessKey,
    iss: "prometheus",
  };
  const content = `${part({ alg: "HS512", typ: "JWT" })}.${part(claims)}`;
  return `${content}.${createHmac("sha512", secretKey).update(content).digest("base64url")}`;
}
