import { setTimeout as pause } from "node:timers/promises";
import { defineScenario } from "../define.ts";
import type { SignInTampering, Visitor } from "../edges/visitor.ts";
import { attribute } from "../names.ts";
import { choice } from "../param-spec.ts";

/** Longer than a code lives at the identity provider: Keycloak's default is a minute. */
const codeDeadMs = 61_000;

/** What goes wrong, with the `error.type` of the callback's span and the `reason` of the log line. */
const variants = {
  "wrong nonce": ["OAUTH_JWT_CLAIM_COMPARISON_FAILED", "OAUTH_JWT_CLAIM_COMPARISON_FAILED"],
  "wrong PKCE challenge": ["OAUTH_RESPONSE_BODY_ERROR", "invalid_grant"],
  "forged code": ["OAUTH_RESPONSE_BODY_ERROR", "invalid_grant"],
  "replayed code": ["OAUTH_RESPONSE_BODY_ERROR", "invalid_grant"],
  "expired code": ["OAUTH_RESPONSE_BODY_ERROR", "invalid_grant"],
  "foreign issuer": ["OAUTH_INVALID_RESPONSE", "OAUTH_INVALID_RESPONSE"],
  "wrong state": ["unknown_state", "unknown_state"],
  "missing state": ["unknown_state", "unknown_state"],
  "denied by the user": ["OAUTH_AUTHORIZATION_RESPONSE_ERROR", "access_denied"],
} as const;
type Variant = keyof typeof variants;

async function tampering(variant: Variant, newVisitor: () => Visitor): Promise<SignInTampering> {
  switch (variant) {
    case "wrong nonce":
      return { request: (url) => url.searchParams.set("nonce", "of-another-sign-in") };
    case "wrong PKCE challenge":
      return { request: (url) => url.searchParams.set("code_challenge", "x".repeat(43)) };
    case "forged code":
      return { callback: (url) => url.searchParams.set("code", "forged-by-somebody-else") };
    case "replayed code": {
      const code = await usedCode(newVisitor());
      return { callback: (url) => url.searchParams.set("code", code) };
    }
    case "expired code":
      return { callback: () => pause(codeDeadMs) };
    case "foreign issuer":
      return { callback: (url) => url.searchParams.set("iss", "https://accounts.example") };
    case "wrong state":
      return { callback: (url) => url.searchParams.set("state", "of-another-sign-in") };
    case "missing state":
      return { callback: (url) => url.searchParams.delete("state") };
    case "denied by the user":
      return {
        request: (url) => url.searchParams.set("prompt", "consent"),
        deniesConsent: true,
      };
  }
}

/** The code of a sign-in that went well: the app has redeemed it. */
async function usedCode(owner: Visitor): Promise<string> {
  let code = "";
  const answer = await owner.attemptSignIn({
    callback: (url) => {
      code = url.searchParams.get("code") ?? "";
    },
  });
  await answer.text();
  return code;
}

export default defineScenario({
  id: "auth.bad-response",
  title: "Sign-in comes back wrong",
  summary:
    "A callback that does not fit the sign-in is refused: no session, one security line, no secret in the trace.",
  story: `Between the click on Sign in and the session lie two redirects through the visitor's browser, and whatever passes through a browser can be changed. Each part of the answer has a check that exists because somebody once got in without it.

The state ties the answer to the browser that asked, the nonce ties the ID token to this sign-in, PKCE ties the code to whoever began, and the \`iss\` parameter tells whose answer it is when an app knows several providers. Pick what goes wrong; a sign-in that was simply denied belongs to the family.

In every case the same must be seen: the callback answers 400, \`error.type\` on its span names the check that failed, one line \`auth.sign-in.refused\` goes to the security log, no session is made, and the cookie of the begun sign-in is taken back. Nothing is reported to Sentry: a refusal is the check at work.

And the code, the state and the tokens that were part of the story are in no signal. The trace shows \`code=REDACTED\`.`,
  params: {
    variant: choice({
      label: "What is wrong",
      help: "An expired code takes a minute, which is how long Keycloak's codes live.",
      default: "wrong nonce",
      options: Object.keys(variants) as readonly Variant[],
    }),
  },
  modes: ["fault", "control"],
  needs: ["keycloak", "valkey"],
  timeoutMs: codeDeadMs + 20_000,
  async serve({ mode, params, visitor, tracer }) {
    const guest = visitor();
    const answer = await guest.attemptSignIn(
      mode === "fault" ? await tampering(params.variant, visitor) : {},
    );
    await answer.text();
    const me = await guest.http("/api/me");
    await me.text();
    const cookies = guest.cookies().filter((name) => /^lab_session_\d+$/.test(name)).length;
    tracer
      .startSpan("after the sign-in", { attributes: { [attribute.sessionCookies]: cookies } })
      .end();
    return { status: answer.status, cookies };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "GET /auth/callback",
        kind: "server",
        status: "unset",
        attributes: {
          "http.response.status_code": 400,
          "error.type": { exists: true },
        },
      },
      count: 1,
      why: "The callback is refused, and its span names the check that failed.",
      hint: "A 303 is an open door; a 500 means that the client's error was not handled.",
    },
    {
      signal: "check",
      title: "span and log line name the check that failed",
      reads: ["traces", "logs"],
      check: ({ spans, logs, params }) => {
        const wanted = variants[params.variant as Variant];
        const types = spans
          .filter(({ name, kind }) => name === "GET /auth/callback" && kind === "server")
          .flatMap(({ attributes }) => attributes["error.type"] ?? []);
        const reasons = logs
          .filter(({ body }) => body === "auth.sign-in.refused")
          .map(({ attributes }) => attributes.reason);
        return {
          ok: types.join() === wanted[0] && reasons.join() === wanted[1],
          seen: `error.type ${types.join() || "none"}, reason ${reasons.join() || "none"}; wanted ${wanted.join(" and ")}`,
        };
      },
      why: "A wrong nonce, a foreign issuer and a stale code are different attacks, or different bugs.",
      hint: "The code is openid-client's, or the app's own when it never asked the library: a state that was not begun here.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/auth/callback", http_response_status_code: "400" },
      delta: { gte: 1 },
      why: "A wave of refused callbacks is an attack or a broken provider, and metrics show waves.",
      hint: "The route's template and the status are labels of the histogram of requests.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "auth.sign-in.refused",
      attributes: { reason: { exists: true } },
      count: 1,
      correlated: true,
      why: "Refused sign-ins are what an attack looks like: the security log has each, with its reason.",
      hint: "Without the line the refusal can only be found by somebody who looks at traces.",
    },
    {
      signal: "span",
      select: { name: "after the sign-in" },
      count: 1,
      every: { attributes: { "lab.auth.session_cookies": 0 } },
      why: "No session was made, and the cookie of the begun sign-in was taken back.",
      hint: "A cookie that stays can be fixed by an attacker before the next sign-in.",
    },
    {
      signal: "span",
      select: { name: "GET /api/me", kind: "server", attributes: { "user.id": { exists: true } } },
      count: 0,
      why: "Nobody is signed in afterwards.",
      hint: "A user here means that the answer was accepted after all.",
    },
    {
      signal: "check",
      title: "the log tells no success, but of whose code is replayed",
      reads: ["logs"],
      check: ({ logs, params }) => {
        const owners = params.variant === "replayed code" ? 1 : 0;
        const told = logs.filter(({ body }) => body === "auth.signed-in").length;
        return { ok: told === owners, seen: `${told} of ${owners} lines auth.signed-in` };
      },
      why: "A line about a sign-in that was refused would hide it.",
      hint: "The line has to be written after all checks and not before.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "A refusal is the check at work and no error of the app.",
      hint: "Somebody reports the client library's errors wherever they come up.",
    },
    {
      signal: "span",
      select: {
        name: "GET /auth/callback",
        kind: "server",
        attributes: { "http.response.status_code": 303 },
      },
      count: 1,
      modes: ["control"],
      why: "The same sign-in, left alone, ends where it began.",
      hint: "Open the trace: the log says which check refused it.",
    },
    {
      signal: "span",
      select: { name: "GET /api/me", kind: "server", attributes: { "user.id": { exists: true } } },
      count: 1,
      modes: ["control"],
      why: "Afterwards the visitor is somebody.",
      hint: "Without user.id the new session's cookie was not set.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "auth.signed-in",
      attributes: { "user.id": { exists: true } },
      count: 1,
      correlated: true,
      modes: ["control"],
      why: "A sign-in that worked is logged too, with the opaque id and no name.",
      hint: "It is written once the session is saved.",
    },
    {
      signal: "secrets",
      modes: ["fault", "control"],
      why: "Codes, tokens and states travel through URLs here, and URLs are what spans record.",
      hint: "The match tells the signal and the field; the redaction has to learn it.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The scenario itself ran to its end.",
      hint: "Open the trace: the visitor could not do what a visitor does.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "The sign-in is one story and one trace, through the provider and back.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
