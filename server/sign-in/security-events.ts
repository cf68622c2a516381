import { log } from "../log.ts";

/** What is logged of sign-ins (OWASP ASVS 5.0, 16.3). `reason` is a code, never anything a client sent. */
type SecurityEvent =
  | { readonly name: "auth.signed-in" | "auth.signed-out"; readonly userId: string }
  | { readonly name: "auth.sign-in.refused"; readonly reason: string }
  | { readonly name: "auth.session.expired"; readonly reason: string }
  | { readonly name: "auth.refresh.refused"; readonly reason: string; readonly userId: string }
  | { readonly name: "auth.degraded"; readonly reason: string };

/** Writes one line, with trace and span id as every line. */
export function logSecurityEvent(event: SecurityEvent): void {
  const fields = {
    "event.name": event.name,
    ...("reason" in event ? { reason: event.reason } : {}),
    ...("userId" in event ? { "user.id": event.userId } : {}),
  };
  switch (event.name) {
    case "auth.signed-in":
    case "auth.signed-out":
    case "auth.session.expired":
      log.info(fields, event.name);
      break;
    case "auth.sign-in.refused":
    case "auth.refresh.refused":
    case "auth.degraded":
      log.warn(fields, event.name);
      break;
  }
}
