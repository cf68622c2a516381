import { createHmac } from "node:crypto";
import { context } from "@opentelemetry/api";
import { suppressTracing } from "@opentelemetry/core";
import type { ThrottleOrder } from "#scenarios/edges/objects.ts";
import type { S3Address } from "./client.ts";

const tokenSeconds = 60;
const answerMs = 1000;

/**
 * Asks the stand-in to refuse calls of one run. It is the storage itself that answers 503 then, so
 * everything between it and the app is as it would be with a storage that is too busy. A real one
 * does not know the path and refuses.
 */
export async function throttleAt(
  address: S3Address,
  order: ThrottleOrder,
): Promise<() => Promise<void>> {
  const ask = async (method: string, path: string, body?: string): Promise<void> => {
    const answer = await context.with(suppressTracing(context.active()), () =>
      fetch(`${address.endpoint}/.lab/throttle${path}`, {
        method,
        headers: { authorization: `Bearer ${token(address.secretAccessKey)}` },
        signal: AbortSignal.timeout(answerMs),
        ...(body === undefined ? {} : { body }),
      }),
    );
    await answer.body?.cancel();
    if (answer.status !== 204) {
      throw new Error(
        `the object storage does not throttle on request: it answered ${answer.status}`,
      );
    }
  };
  await ask("PUT", "", JSON.stringify(order));
  // It ends by itself too; a storage that went away meanwhile has forgotten it.
  return () => ask("DELETE", `/${order.runId}`).catch(() => {});
}

/** A JWT signed with the secret key, for the issuer that may throttle. */
function token(secretKey: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: "lab", exp: Math.floor(Date.now() / 1000) + tokenSeconds };
  const content = `${part({ alg: "HS512", typ: "JWT" })}.${part(claims)}`;
  return `${content}.${createHmac("sha512", secretKey).update(content).digest("base64url")}`;
}
