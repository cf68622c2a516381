import { createHmac } from "node:crypto";
import { sameText } from "./signature.ts";

/**
 * Checks a bearer token as MinIO's metrics take it: a JWT signed by HMAC-SHA-512 with the secret key
 * (https://min.io/docs/minio/linux/operations/monitoring/collect-minio-metrics-using-prometheus.html).
 */
export function admitsToken(
  authorization: string | undefined,
  options: { readonly secretKey: string; readonly issuer: string; readonly now: number },
): boolean {
  const [head, body, signature, ...more] = (authorization ?? "").replace(/^Bearer /, "").split(".");
  if (!head || !body || !signature || more.length > 0) return false;
  const expected = createHmac("sha512", options.secretKey)
    .update(`${head}.${body}`)
    .digest("base64url");
  if (!sameText(expected, signature)) return false;
  try {
    const [{ alg }, { iss, exp }] = [head, body].map((part) =>
      JSON.parse(Buffer.from(part, "base64url").toString()),
    );
    return (
      alg === "HS512" &&
      iss === options.issuer &&
      typeof exp === "number" &&
      exp * 1000 > options.now
    );
  } catch {
    return false;
  }
}
