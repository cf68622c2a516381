import { defineScenario } from "../define.ts";
import type { ObjectStore } from "../edges/objects.ts";
import { choice, integer } from "../param-spec.ts";
import type { CheckFinding, RunEvidence } from "../run-evidence.ts";

/** Time enough for any page. */
const ampleSeconds = 60;

const causes = ["expired", "forbidden", "clock behind", "clock ahead"] as const;
type Cause = (typeof causes)[number];
/** The storage takes requests that are up to 15 minutes off, links that are as much in the future. */
const clockOffMs: Readonly<Record<Cause, number>> = {
  expired: 0,
  forbidden: 0,
  "clock behind": -20 * 60_000,
  "clock ahead": 20 * 60_000,
};
/** What the storage says of each, with the same 403 and the same code. */
const messages: Readonly<Record<Cause, string>> = {
  expired: "Request has expired",
  forbidden: "Access Denied.",
  "clock behind": "Request has expired",
  "clock ahead": "Request is not valid yet",
};
const isClock = (cause: unknown): boolean => String(cause).startsWith("clock");

/** Reads the picture twice, as an app with this clock would; what is refused is refused the first time. */
async function readTwice(objects: Pick<ObjectStore, "get">, key: string): Promise<string | null> {
  let refusal: string | null = null;
  for (let count = 0; count < 2; count++) {
    try {
      (await objects.get(key)).body.destroy();
    } catch (error) {
      refusal = error instanceof Error ? error.name : String(error);
    }
  }
  return refusal;
}

function judgeOwnCalls({ spans, mode, params }: RunEvidence): CheckFinding {
  const calls = spans.filter(({ service, name }) => service === "lab-server" && /^S3\./.test(name));
  const skewed = mode !== "control" && isClock(params.cause);
  const expected = isClock(params.cause) ? [skewed ? "RequestTimeTooSkewed" : "ok", "ok"] : [];
  const seen = calls.map(({ status, attributes }) =>
    status === "error" ? String(attributes["error.type"]) : "ok",
  );
  return {
    ok: seen.join() === expected.join(),
    seen: `${seen.join(", ") || "no call"}; expected ${expected.join(", ") || "none"}`,
  };
}

export default defineScenario({
  id: "s3.presigned-expiry",
  title: "Presigned link that has expired",
  summary:
    "The page keeps a link to a picture too long; the storage says no, and the app never hears.",
  story: `The app signs a link that lets the page read one picture from the storage directly, for a short time. The page keeps the link longer than it lives, as a tab does that was left open, and follows it then. The storage answers 403.

AccessDenied is what it says for a missing permission too, and for a clock that is wrong; only the message tells them apart, and not always. A link without a signature gets "Access Denied." A machine whose clock is 20 minutes behind signs links that are over before anybody follows them: "Request has expired", the very words of a link that was kept too long. One that is ahead is told "Request is not valid yet".

The app is not asked, so its spans are green and Sentry is silent: the page's own HTTP span is the only witness, and the storage's counter. With a wrong clock there is one more. The first call that the app makes itself is refused with RequestTimeTooSkewed; the SDK learns the storage's time from that refusal, and its next calls work. The links stay wrong: they are signed by the machine's clock.

The link is a credential: whoever has it may read. So its signature must be in no telemetry. \`url.full\` of the page's span shows \`X-Amz-Signature=REDACTED\`.

Teams sign late, when the picture is about to be read, give links only the time a page needs, keep clocks in step, and let the page ask for a new link when it gets a 403: mode fix does that, and the app that signs the new one has the right time.`,
  params: {
    cause: choice({ label: "Refused because", default: "expired", options: causes }),
    seconds: integer({
      label: "The link lives",
      help: "An expired one is kept by the page until it is over.",
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
    const { cause } = params;
    const key = objects.imageKey(1);
    const broken = mode !== "control";
    // A link of one second may live for a few milliseconds: signatures carry whole seconds.
    const seconds = broken ? params.seconds : ampleSeconds;
    const own = objects.withClockOff(broken ? clockOffMs[cause] : 0);
    try {
      const refusal = isClock(cause) ? await readTwice(own, key) : null;
      if (refusal !== null) log.warn({ code: refusal }, "storage refused the app's clock once");
      const url =
        broken && cause === "forbidden"
          ? objects.plainLink(key)
          : await own.downloadLink(key, seconds);
      log.info({ "aws.s3.key": key, seconds, url }, "picture link given");
      return { url, seconds };
    } finally {
      await own.close();
    }
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
          "url.full": {
            matches: "/lab-products/products/1\\.svg(\\?.*X-Amz-Signature=REDACTED|$)",
          },
        },
      },
      count: 1,
      modes: ["fault", "fix"],
      why: "The page's own span is the witness, and its URL shows a signature as REDACTED.",
      hint: "A status of 0 means that the storage's answer could not be read: its CORS headers are missing, or the page's policy forbids its origin.",
    },
    {
      signal: "page",
      observation: "code",
      value: "AccessDenied",
      modes: ["fault", "fix"],
      why: "The code is the same whether it was time, permission or a clock.",
      hint: "SignatureDoesNotMatch means that the link was changed; RequestTimeTooSkewed is for signed headers only.",
    },
    {
      signal: "check",
      title:
        "the message names the cause, except that a clock that is behind looks like an expired link",
      reads: [],
      check: ({ page, params }) => {
        const expected = messages[params.cause as Cause];
        return { ok: page.message === expected, seen: `"${page.message}", expected "${expected}"` };
      },
      modes: ["fault", "fix"],
      why: "Only the message differs, and a wrong clock has the same words as an expired link.",
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
      why: "The storage counts what the app never sees. A request whose clock is wrong is not among them: S3 refuses it before it looks what is asked, and MinIO has a counter for those, rejected_timestamp.",
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
      signal: "check",
      title: "the app itself is refused only for its clock, and only once",
      check: judgeOwnCalls,
      modes: ["fault", "control", "fix"],
      why: "Signing asks nobody, so a trace of the app alone shows nothing; a call with a wrong clock is refused with RequestTimeTooSkewed, from which the SDK learns the time.",
      hint: "A span without a wrong clock comes from signing through the instrumented client; a second refusal, from an SDK that did not correct its clock.",
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
      body: "picture link given",
      attributes: {
        url: { matches: "X-Amz-Signature=REDACTED|/1\\.svg$" },
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
      name: "picture link given",
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
