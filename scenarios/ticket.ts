import { createHmac, timingSafeEqual } from "node:crypto";
import type { LiveMutant } from "./live-mutants.ts";
import type { Mode } from "./mode.ts";
import type { ParamValues } from "./params.ts";

/** What the lab allows the server to do, once. Signed, so the server can check it offline. */
export interface Ticket {
  readonly runId: string;
  readonly scenario: string;
  readonly mode: Mode;
  readonly params: ParamValues;
  readonly seed: number;
  /** Milliseconds since the epoch after which the server refuses it. */
  readonly expiresAt: number;
  /** What the server is to break of the run's own telemetry. Only a self-test asks for it. */
  readonly mutant?: LiveMutant;
}

export type VerifiedTicket =
  | { readonly ok: true; readonly ticket: Ticket }
  | { readonly ok: false; readonly reason: "malformed" | "forged" | "expired" };

const mac = (body: string, key: string): Buffer => createHmac("sha256", key).update(body).digest();

/** `<base64url JSON>.<base64url HMAC-SHA256>`, short enough for one header line. */
export function signTicket(ticket: Ticket, key: string): string {
  const body = Buffer.from(JSON.stringify(ticket)).toString("base64url");
  return `${body}.${mac(body, key).toString("base64url")}`;
}

/** Checks the signature before it looks at the content. Replays are the caller's business: it keeps used run ids. */
export function verifyTicket(token: string, key: string, now: number): VerifiedTicket {
  const [body, signature, ...rest] = token.split(".");
  if (!body || !signature || rest.length > 0) return { ok: false, reason: "malformed" };
  const given = Buffer.from(signature, "base64url");
  const expected = mac(body, key);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return { ok: false, reason: "forged" };
  }
  const ticket = JSON.parse(Buffer.from(body, "base64url").toString()) as Ticket;
  return ticket.expiresAt > now ? { ok: true, ticket } : { ok: false, reason: "expired" };
}
