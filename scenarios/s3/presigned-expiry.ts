import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

/** Time enough for any page. */
const ampleSeconds = 60;

export default defineScenario({
  id: "s3.presigned-expiry",
  title: "Presigned link that has expired",
  summary:
    "The page keeps a link to a picture too long; the storage says no, and the app never hears.",
  story: `The app signs a link that lets the page read one picture from the storage directly, for a short time. The page keeps the link longer than it lives, as a tab does that was left open, and follows it then. The storage answers 403.

AccessDenied is what it says for a missing permission too, and for a clock that is wrong; only the message, "Request has expired", tells them apart. The app is not asked, so its spans are green and Sentry is silent: the page's own HTTP span is the only witness, and the storage's counter.

The link is a credential: whoever has it may read. So its signature must be in no telemetry. \`url.full\` of the page's span shows \`X-Amz-Signature=REDACTED\`.

Teams sign late, when the picture is about to be read, give links only the time a page needs, and let the page ask for a new one when it gets a 403: mode fix does that.`,
  params: {
    seconds: integer({
      label: "The link lives",
      help: "The page waits until it is over.",
      default: 1,
      min: 1,
      max: 30,
      unit: "s",
    }),
  },
  modes: ["fault", "control", "fix"],
  needs: ["minio"],
  leases: ["metrics"],
  timeoutMs: 50_000,
  stage: true,
  async serve({ mode, params, objects, log }) {
    const key = objects.imageKey(1);
    // A link of one second may live for a few milliseconds: signatures carry whole seconds.
    const seconds = mode === "control" ? ampleSeconds : params.seconds;
    const url = await objects.downloadLink(key, seconds);
    log.info({ "aws.s3.key": key, seconds, url }, "picture link signed");
    return { url, seconds };
  },
  expect: [
    {
      signal: "span",
      select: {
        service: "lab-web",
        kind: "client",
        status: "error",
        attributes: {
          "http.response.status_code": 403,
          "url.full": { matches: "/lab-products/products/1\\.svg\\?.*X-Amz-Signature=REDACTED" },
        },
      },
      count: 1,
      modes: ["fault", "fix"],
      why: "The page's own span is the witness, and its URL shows the signature as REDACTED.",
      hint: "A status of 0 means that the storage's answer could not be read: its CORS headers are missing, or the page's policy forbids its origin.",
    },
    {
      signal: "page",
      observation: "code",
      value: "AccessDenied",
      modes: ["fault", "fix"],
      why: "The code is the same as for a missing permission.",
      hint: "SignatureDoesNotMatch means that the link was changed; RequestTimeTooSkewed is for signed headers only.",
    },
    {
      signal: "page",
      observation: "message",
      value: "Request has expired",
      modes: ["fault", "fix"],
      why: "Only the message tells that it was time and not permission.",
      hint: "Another message means that the storage refused for another reason.",
    },
    {
      signal: "page",
      observation: "picture",
      value: "missing",
      why: "The user sees no picture, and nothing tells why.",
      hint: "If it is shown, the link was followed before it expired.",
    },
    {
      signal: "page",
      observation: "picture",
      value: "shown",
      modes: ["control", "fix"],
      why: "In time, or with a new link, the picture is there.",
      hint: "In mode fix, look whether the request for the new link succeeded.",
    },
    {
      signal: "span",
      select: {
        service: "lab-web",
        kind: "client",
        attributes: {
          "http.response.status_code": 200,
          "url.full": { matches: "/lab-products/products/1\\.svg\\?.*X-Amz-Signature=REDACTED" },
        },
      },
      count: 1,
      modes: ["control", "fix"],
      why: "The picture was read from the storage, past the app.",
      hint: "Without it the page took the picture from elsewhere.",
    },
    {
      signal: "span",
      select: { name: "GET /api/products/:id/image-link", kind: "server" },
      count: 1,
      modes: ["fix"],
      why: "After a 403 the page asks the app for a new link, in the same trace.",
      hint: "If it is missing, the page gave up; if it is in another trace, the context was lost after an await.",
    },
    {
      signal: "metric",
      name: "lab_s3_requests_4xx_errors_total",
      aliases: ["minio_api_requests_4xx_errors_total"],
      delta: 1,
      modes: ["fault", "fix"],
      why: "The storage counts what the app never sees.",
      hint: "More than one is another refusal at the same time.",
    },
    {
      signal: "metric",
      name: "lab_s3_requests_4xx_errors_total",
      aliases: ["minio_api_requests_4xx_errors_total"],
      delta: 0,
      modes: ["control"],
      why: "A link that is followed in time is not refused.",
      hint: "Somebody else was refused meanwhile.",
    },
    {
      signal: "span",
      select: { service: "lab-server", name: { matches: "^S3\\." } },
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "Signing asks nobody: the app makes no call, so a trace of the app alone shows nothing.",
      hint: "A span here comes from signing through the instrumented client.",
    },
    {
      signal: "secrets",
      modes: ["fault", "control", "fix"],
      why: "The link is a credential until it expires: whoever reads telemetry must not get it.",
      hint: "Look for X-Amz-Signature and X-Amz-Credential in URLs of spans, breadcrumbs and logs.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "picture link signed",
      attributes: {
        url: { matches: "X-Amz-Signature=REDACTED" },
      },
      count: 1,
      correlated: true,
      modes: ["fault", "control", "fix"],
      why: "The app logs the link, as careless code does: what is written has no signature in it.",
      hint: "If the signature can be read, the logger does not redact queries of URLs.",
    },
    {
      signal: "sentry",
      item: "log",
      service: "lab-server",
      name: "picture link signed",
      count: 1,
      sameTrace: true,
      modes: ["fault", "control", "fix"],
      why: "Sentry's copy of the line has passed the same redaction.",
      hint: "Lines reach Sentry through the logger.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", service: "lab-server" },
      count: 1,
      modes: ["fix"],
      why: "The app looks the product up before it signs a new link.",
      hint: "If it is missing, no new link was asked for.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control", "fix"],
      why: "No exception was thrown anywhere: error tracking alone would miss it.",
      hint: "An event of lab-web means that the page took the refusal for an error.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control", "fix"],
      why: "The app gave the link, as it should.",
      hint: "Another status means that the link could not be signed.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control", "fix"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that the context was lost while the page waited.",
    },
  ],
});
