import { defineScenario } from "../define.ts";
import { attribute } from "../names.ts";
import { choice } from "../param-spec.ts";

const minuteMs = 60_000;
/** The app's limits are 30 minutes without a request, and 8 hours whatever happens. */
const tooLong = {
  "idle limit": 31 * minuteMs,
  "absolute limit": 481 * minuteMs,
  "not in the store": 1 * minuteMs,
} as const;
const notTooLong = {
  "idle limit": 29 * minuteMs,
  "absolute limit": 479 * minuteMs,
  "not in the store": 1 * minuteMs,
} as const;

/** Of the app, where the visitor was. */
const page = "/runs?limit=5";

export default defineScenario({
  id: "auth.session-expired",
  title: "Session runs out",
  summary: "A signed-in visitor comes back too late: 401, one log line, and no error anywhere.",
  story: `Somebody signs in, works, leaves for lunch, and comes back. The session has a limit for idle time and one for its whole life; past either of them the server forgets it. The next request brings a cookie that opens nothing.

This is the app working as it should, and telemetry has to say it that way. The request is answered with 401 and its span is not an error. One log line, \`auth.session.expired\`, says why, with the trace id and without the session's id: \`idle limit\`, \`absolute limit\`, or \`not in the store\` when it went before its time, by a sign-out elsewhere or because Valkey lost it. What Valkey has dropped it cannot explain, so the app keeps a note of both limits a little longer than the session. Sentry stays silent. The dead cookie is taken back, so the line is written once and not with every poll of the page.

Teams often do it otherwise: each expired session becomes an error event, and on Monday morning the real errors drown. Or the page shows an empty account, because nobody looks at the 401.

The cure is in the client: take the 401, sign in again, and come back to where one was, which the app remembers over the whole way. The identity provider still knows the person, so that costs no password. Mode fix does that.

Nobody waits for half an hour here: the scenario moves the session into the past in Valkey.`,
  params: {
    limit: choice({
      label: "Why it is gone",
      help: "The app's limits, 30 minutes and 8 hours, stay: the session is moved into the past instead of waiting for them.",
      default: "idle limit",
      options: ["idle limit", "absolute limit", "not in the store"],
    }),
  },
  modes: ["fault", "control", "fix"],
  needs: ["keycloak", "valkey"],
  async serve({ mode, params, visitor, tracer }) {
    const guest = visitor();
    await guest.signIn();
    const ms = (mode === "control" ? notTooLong : tooLong)[params.limit];
    await guest.letTimePass(ms, { inUse: params.limit === "absolute limit" });
    if (mode !== "control" && params.limit === "not in the store") await guest.loseSession();
    const answer = await guest.http("/api/account");
    await answer.text();
    tracer
      .startSpan("after the break", {
        attributes: {
          [attribute.sessionCookies]: guest.cookies().filter((n) => /^lab_session_\d+$/.test(n))
            .length,
        },
      })
      .end();
    if (mode !== "fix") return { status: answer.status };
    const back = await guest.signIn(page);
    if (back !== page) throw new Error(`the sign-in led to ${back} and not back to ${page}`);
    // The page there asks once more.
    const again = await guest.http("/api/account");
    await again.text();
    return { status: again.status };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "GET /api/account",
        kind: "server",
        status: "unset",
        attributes: { "http.response.status_code": 401 },
      },
      count: 1,
      modes: ["fault", "fix"],
      why: "The request is refused with 401, and a refusal is no error of the server.",
      hint: "A 200 means that the session outlived its limit; a 500, that somebody threw instead of answering.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "auth.session.expired",
      attributes: { reason: "${params.limit}" },
      count: 1,
      correlated: true,
      modes: ["fault", "fix"],
      why: "One line says that a session ended and why: it is the first thing support is asked.",
      hint: "None means that the dead cookie was ignored silently; several, that it was not taken back; another reason, that the note of its limits is wrong.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/api/account", http_response_status_code: "401" },
      delta: { gte: 1 },
      modes: ["fault", "fix"],
      why: "Sessions that end show as a share of 401, which is normal as long as it is steady.",
      hint: "The route's template and the status are labels of the histogram of requests.",
    },
    {
      signal: "agree",
      of: [
        { logs: { body: "auth.session.expired" } },
        {
          spans: {
            name: "GET /api/account",
            kind: "server",
            attributes: { "http.response.status_code": 401 },
          },
        },
      ],
      modes: ["fault", "control", "fix"],
      why: "Each refusal has its line, and no line is without one.",
      hint: "More lines: the cookie was not taken back. Fewer: a refusal for another reason.",
    },
    {
      signal: "span",
      select: { name: "after the break" },
      count: 1,
      every: { attributes: { "lab.auth.session_cookies": 0 } },
      modes: ["fault", "fix"],
      why: "The cookie that opens nothing is taken back.",
      hint: "Look at the Set-Cookie headers of the 401.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/account",
        kind: "server",
        attributes: { "http.response.status_code": 401, "user.id": { exists: true } },
      },
      count: 0,
      modes: ["fault", "fix"],
      why: "Whoever comes with a dead session is nobody: no span of it may carry a user.",
      hint: "The user is set only after the session was found and its limits were checked.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/account",
        kind: "server",
        attributes: { "http.response.status_code": 200, "user.id": { exists: true } },
      },
      count: 1,
      modes: ["control", "fix"],
      why: "Within the limit, or after a new sign-in, the same request is answered, with the user on its span.",
      hint: "In control a 401 means that the limit is shorter than it says; in fix, that the sign-in did not work, or did not lead back to where the visitor was.",
    },
    {
      signal: "log",
      service: "lab-server",
      body: "auth.signed-in",
      attributes: { "user.id": { exists: true } },
      count: 2,
      correlated: true,
      modes: ["fix"],
      why: "The visitor signed in twice, the second time without a password.",
      hint: "One line means that the client did not react to the 401.",
    },
    {
      signal: "log",
      service: "lab-server",
      body: "auth.session.expired",
      count: 0,
      modes: ["control"],
      why: "No session ended, so no line says so.",
      hint: "The session was lost early: look for evictions or a restart of Valkey.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "A session that ends is expected, and what is expected is no issue in Sentry.",
      hint: "Somebody reports 401s as exceptions.",
    },
    {
      signal: "secrets",
      modes: ["fault", "control", "fix"],
      why: "Session ids, tokens and codes travel through all of this and may be in none of the signals.",
      hint: "The match tells the signal and the field; the redaction has to learn it.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "The scenario itself ran to its end.",
      hint: "Open the trace: the visitor could not do what a visitor does.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "Sign-in, visit and refusal are one story and one trace.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
