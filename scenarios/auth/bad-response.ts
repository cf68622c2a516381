import { choice, defineScenario } from "../define.ts";
import type { SignInTampering } from "../edges/visitor.ts";
import { attribute } from "../names.ts";

const variants = [
  "wrong nonce",
  "wrong PKCE challenge",
  "forged code",
  "foreign issuer",
  "wrong state",
  "missing state",
  "denied by the user",
] as const;

function tampering(variant: (typeof variants)[number]): SignInTampering {
  switch (variant) {
    case "wrong nonce":
      return { request: (url) => url.searchParams.set("nonce", "of-another-sign-in") };
    case "wrong PKCE challenge":
      return { request: (url) => url.searchParams.set("code_challenge", "x".repeat(43)) };
    case "forged code":
      return { callback: (url) => url.searchParams.set("code", "forged-by-somebody-else") };
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
    variant: choice({ label: "What is wrong", default: "wrong nonce", options: variants }),
  },
  modes: ["fault", "control"],
  needs: ["keycloak", "valkey"],
  async serve({ mode, params, visitor, tracer }) {
    const guest = visitor();
    const answer = await guest.attemptSignIn(mode === "fault" ? tampering(params.variant) : {});
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
          "error.type": {
            in: [
              "OAUTH_JWT_CLAIM_COMPARISON_FAILED",
              "OAUTH_RESPONSE_BODY_ERROR",
              "OAUTH_INVALID_RESPONSE",
              "OAUTH_AUTHORIZATION_RESPONSE_ERROR",
              "unknown_state",
            ],
          },
        },
      },
      count: 1,
      why: "The callback is refused, and its span names the check that failed.",
      hint: "A 303 is an open door; a 500 means that the client's error was not handled.",
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
      signal: "log",
      service: "lab-server",
      body: "auth.signed-in",
      count: 0,
      why: "The log tells no success.",
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
