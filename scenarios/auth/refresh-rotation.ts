import { setTimeout as delay } from "node:timers/promises";
import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

const minuteMs = 60_000;
const token = { matches: "/protocol/openid-connect/token$" } as const;

export default defineScenario({
  id: "auth.refresh-rotation",
  title: "Refresh token used twice",
  summary:
    "A copied refresh token is redeemed after the real one: the provider ends the whole family.",
  story: `An access token lives for minutes. When it is old, the app exchanges its refresh token for a new pair, and the old refresh token is dead: that is rotation. If a dead one comes back, somebody has a copy, and nobody can tell whether the thief or the owner came first. So the provider revokes the whole family (RFC 9700, 4.14.2), and the owner has to sign in again.

In the trace you see the exchanges as \`POST …/token\`: 200 for the rotation, 400 for the copy, and 400 again when the innocent session wants its next token. The session ends with 401. The log says \`auth.refresh.refused\` with \`invalid_grant\`; Sentry gets one warning, because this, unlike an expired session, is worth a look.

The thief is often not a thief but the app itself: two requests that refresh at the same moment with the same token look exactly like this. That is why the app lets requests of one session share one refresh, and reads the session anew before it.

The scenario copies the token on the server; it never reaches the trace.`,
  params: {
    visits: integer({
      label: "Visits before the copy is used",
      help: "Each refreshes. Access tokens live for 5 minutes; instead of waiting, the session is moved into the past.",
      default: 2,
      min: 1,
      max: 10,
    }),
  },
  modes: ["fault", "control"],
  needs: ["keycloak", "valkey"],
  async serve({ mode, params, visitor }) {
    const owner = visitor();
    await owner.signIn();
    const copy = await owner.copyRefreshToken();
    // Keycloak tells by whole seconds whether a token is older than the last refresh: one copied and
    // replaced within the same second it would take again.
    await delay(1_000 - (Date.now() % 1_000));
    const visit = async () => {
      // Past the life of an access token, so that each visit has to refresh.
      await owner.letTimePass(6 * minuteMs);
      const answer = await owner.http("/api/account");
      await answer.text();
      return answer.status;
    };
    for (let n = 0; n < params.visits; n++) await visit();
    const thief = mode === "fault" ? await copy.redeem() : "never came";
    return { thief, owner: await visit() };
  },
  expect: [
    {
      signal: "span",
      select: {
        kind: "client",
        attributes: {
          "http.request.method": "POST",
          "url.path": token,
          "http.response.status_code": 400,
        },
      },
      count: 2,
      why: "The copy is refused, and so is the owner's next refresh: the family was revoked.",
      hint: "Only one means that the provider refused the copy and let the family live; none, that it does not rotate.",
    },
    {
      signal: "span",
      select: {
        kind: "client",
        attributes: {
          "http.request.method": "POST",
          "url.path": token,
          "http.response.status_code": 200,
        },
      },
      count: "${params.visits}+1",
      why: "The sign-in and each visit before the theft got their tokens.",
      hint: "Fewer mean that a visit used an old access token, or that refreshes failed early.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/account",
        kind: "server",
        status: "unset",
        attributes: { "http.response.status_code": 401 },
      },
      count: 1,
      why: "The owner is signed out: the provider cannot know who of the two is the owner.",
      hint: "A 200 means that the session went on with tokens that should be dead.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/account", http_response_status_code: "401" },
      delta: { gte: 1 },
      why: "Whoever is thrown out shows in the share of 401 as well.",
      hint: "The route's template and the status are labels of the histogram of requests.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "auth.refresh.refused",
      attributes: { reason: "invalid_grant", "user.id": { exists: true } },
      count: 1,
      correlated: true,
      why: "The security log says whose session ended and with which answer of the provider.",
      hint: "It is written where the app learns of the refusal, before the session is removed.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      level: "warning",
      exception: { message: { matches: "^refresh token refused" } },
      count: 1,
      sameTrace: true,
      why: "A reused token is a possible theft: one warning, on the trace that shows it.",
      hint: "None means that the refusal was taken for an ordinary expiry.",
    },
    {
      signal: "span",
      select: {
        kind: "client",
        attributes: {
          "http.request.method": "POST",
          "url.path": token,
          "http.response.status_code": 200,
        },
      },
      count: "${params.visits}+2",
      modes: ["control"],
      why: "Without the copy every visit rotates and works.",
      hint: "A refusal here means that the app itself used a refresh token twice.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/account",
        kind: "server",
        attributes: { "http.response.status_code": 200, "user.id": { exists: true } },
      },
      count: "${params.visits}+1",
      modes: ["control"],
      why: "The owner stays signed in over all rotations.",
      hint: "A 401 means that the rotated token was not kept.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Rotation by itself is routine.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "secrets",
      modes: ["fault", "control"],
      why: "Tokens move through the app all the time and may be in none of the signals.",
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
      why: "All visits are one story and one trace.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
