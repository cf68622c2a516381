import { defineScenario } from "../define.ts";
import { proxy } from "../fault.ts";
import { choice, integer } from "../param-spec.ts";

/** The document that every sign-in asks for first. */
const discovery = { matches: "/\\.well-known/openid-configuration$" } as const;
/** What a balancer says whose servers are all gone, and what a portal says to everybody. */
const page = (title: string) => `<!doctype html><title>${title}</title><h1>${title}</h1>`;

/**
 * How it is away, with what the first click's span says for `error.type`, and whether the request's
 * own span is an error.
 */
const ways = {
  "refuses connections": { codes: ["ECONNREFUSED"], isRed: true },
  // Whether it is noticed while writing or while reading is chance.
  "resets connections": { codes: ["ECONNRESET", "UND_ERR_SOCKET", "EPIPE"], isRed: true },
  "never answers": { codes: ["OAUTH_TIMEOUT"], isRed: true },
  "answers 503": { codes: ["OAUTH_RESPONSE_IS_NOT_CONFORM"], isRed: true },
  "answers with a page": { codes: ["OAUTH_RESPONSE_IS_NOT_JSON"], isRed: false },
} as const;
type Way = keyof typeof ways;

export default defineScenario({
  id: "auth.idp-down",
  title: "Identity provider is down",
  summary:
    "Nobody can sign in; who is signed in notices nothing. One Sentry event, however many click.",
  story: `The identity provider does not answer. New sign-ins fail: that cannot be helped. The question is what else fails. If each request asks the provider who its user is, the whole app is down with it; if it keeps its own sessions, people who are signed in notice nothing.

Here the first click on Sign in finds out. Its request for the provider's discovery document fails, after a refused connection at once, after a silent one when the app's patience ends, 1.5 seconds. Something else may answer in its place: a balancer with 503, a portal with a page and status 200. Then the request's own span is green, and only the app can tell. The answer is 503 with a hint, and the page stays usable. From then on a circuit is open: further clicks are answered at once and without asking. In the background the app looks whether the provider is back.

Each refused sign-in is a line \`auth.degraded\` in the log. Sentry gets one event for the outage and not one per click: a hundred people who click five times are one problem.

Teams get this wrong in two ways. The library's own timeout, often 30 seconds, fills the connection pool with people who wait. And the app redirects without asking, so that people end at a browser's error page with no way back.`,
  params: {
    how: choice({
      label: "How it is away",
      default: "refuses connections",
      options: Object.keys(ways) as readonly Way[],
    }),
    clicks: integer({ label: "Clicks on Sign in", default: 3, min: 1, max: 20 }),
  },
  modes: ["fault", "control"],
  needs: ["keycloak", "valkey"],
  leases: ["keycloak", "metrics"],
  faults: ({ how }) => {
    switch (how) {
      case "refuses connections":
        return [proxy("keycloak").down()];
      case "resets connections":
        return [proxy("keycloak").reset()];
      case "never answers":
        return [proxy("keycloak").hang()];
      case "answers 503":
        return [
          proxy("keycloak").answer({ status: 503, type: "text/html", body: page("No server") }),
        ];
      case "answers with a page":
        return [
          proxy("keycloak").answer({ status: 200, type: "text/html", body: page("Welcome") }),
        ];
    }
  },
  async serve({ params, visitor }) {
    const member = visitor();
    await member.comeSignedIn();
    const statuses: number[] = [];
    for (let n = 0; n < params.clicks; n++) {
      const answer = await visitor().http("/auth/login");
      await answer.text();
      statuses.push(answer.status);
    }
    const me = await member.http("/api/me");
    await me.text();
    return { clicks: statuses, member: me.status };
  },
  expect: [
    {
      signal: "span",
      select: { kind: "client", attributes: { "url.path": discovery } },
      count: 1,
      why: "The first click asks the provider and fails; the circuit spares all others the wait.",
      hint: "As many as clicks mean that nothing remembers the outage; none, that the app answers from an old copy.",
    },
    {
      signal: "check",
      title: "the spans say how the provider is away",
      check: ({ spans, params }) => {
        const { codes, isRed } = ways[params.how as Way];
        const [asked] = spans.filter(
          ({ kind, attributes }) =>
            kind === "client" && /openid-configuration$/.test(String(attributes["url.path"])),
        );
        const [first] = spans.filter(({ name }) => name === "GET /auth/login");
        const code = String(first?.attributes["error.type"]);
        return {
          ok:
            asked !== undefined &&
            (asked.status === "error") === isRed &&
            codes.some((one) => one === code),
          seen: `the request's span is ${asked?.status}, the first click says ${code}`,
        };
      },
      why: "Refused, silent, broken and answered by somebody else are repaired in different places. A page with status 200 is the worst: its span is green, and only the app knows.",
      hint: "error.type of GET /auth/login is the client library's code, or the system's.",
    },
    {
      signal: "agree",
      of: [
        {
          spans: {
            name: "GET /auth/login",
            kind: "server",
            attributes: { "http.response.status_code": 503 },
          },
        },
        {
          metric: {
            name: "http_server_request_duration_seconds_count",
            labels: { http_route: "/auth/login", http_response_status_code: "503" },
          },
        },
        { logs: { body: "auth.degraded", severity: "warn" } },
      ],
      why: "Traces, metrics and the security log tell the same number of people who could not sign in.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "span",
      select: {
        name: "GET /auth/login",
        kind: "server",
        status: "error",
        attributes: { "http.response.status_code": 503, "error.type": { exists: true } },
      },
      count: "${params.clicks}",
      why: "Each click is answered, with 503: the app cannot serve it now.",
      hint: "A 303 means that people were sent to a page that is not there.",
    },
    {
      signal: "metric",
      name: "http_server_request_duration_seconds_count",
      labels: { http_route: "/auth/login", http_response_status_code: "503" },
      delta: "${params.clicks}",
      why: "The rate of sign-ins that could not be served is what an alert looks at.",
      hint: "Compare with the spans: a request that is counted twice went through the middleware twice.",
    },
    {
      signal: "span",
      select: { name: "GET /auth/login", kind: "server", durationMs: { gt: 3_000 } },
      count: 0,
      why: "However silent the provider is, nobody waits longer than the app's own patience.",
      hint: "Look for the timeout of the client library: its default is 30 s.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/me",
        kind: "server",
        status: "unset",
        attributes: { "http.response.status_code": 200, "user.id": { exists: true } },
      },
      count: 1,
      modes: ["fault", "control"],
      why: "Who is signed in stays so: the session is the app's own.",
      hint: "Without user.id the session was not found, or its check asks the provider.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: "auth.degraded",
      attributes: { reason: { exists: true } },
      count: "${params.clicks}",
      correlated: true,
      why: "Every refused sign-in is in the log, with the trace that shows why.",
      hint: "The line is written where the 503 is.",
    },
    {
      signal: "sentry",
      item: "event",
      service: "lab-server",
      exception: { message: "the identity provider is away" },
      handled: true,
      count: 1,
      sameTrace: true,
      why: "An outage is one event, however many people it meets.",
      hint: "None means that an earlier outage has not ended yet: the app looks every 300 ms.",
    },
    {
      signal: "span",
      select: {
        name: "GET /auth/login",
        kind: "server",
        attributes: { "http.response.status_code": 303 },
      },
      count: "${params.clicks}",
      modes: ["control"],
      why: "With the provider there, each click leads to it.",
      hint: "A 503 means that the provider is down without the lab's doing.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["control"],
      why: "Nothing is away, so there is nothing to report.",
      hint: "An event in the control run belongs to another fault.",
    },
    {
      signal: "secrets",
      modes: ["fault", "control"],
      why: "Session ids and the client's secret may be in none of the signals.",
      hint: "The match tells the signal and the field; the redaction has to learn it.",
    },
    {
      signal: "component",
      component: "server",
      restarts: 0,
      modes: ["fault", "control"],
      why: "A provider that is away must not end the app.",
      hint: "Look at the server's log for what ended it.",
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
      why: "All clicks are one story and one trace.",
      hint: "A second root means that the background look for the provider is traced as well.",
    },
  ],
});
