import { createHmac } from "node:crypto";

const validSeconds = 300;

/**
 * A bearer token that reads MinIO's metrics, as `mc admin prometheus generate` makes it: a JWT of the
 * root user for the issuer `prometheus`, signed by HMAC-SHA-512 with the root password.
 */
export function metricsToken(accessKey: string, secretKey: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    exp: Math.floor(Date.now() / 1000) + validSeconds,
    sub: accessKey,
    iss: "prometheus",
  };
  const content = `${part({ alg: "HS512", typ: "JWT" })}.${part(claims)}`;
  return `${content}.${createHmac("sha512", secretKey).update(content).digest("base64url")}`;
}
