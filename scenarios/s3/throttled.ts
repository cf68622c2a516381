import { defineScenario } from "../define.ts";
import { integer, type ParamValue } from "../param-spec.ts";
import type { CheckFinding, RunEvidence, SeenSpan } from "../run-evidence.ts";
import { allFulfilled } from "../settled.ts";

/** Attempts that the SDK makes of each call. */
const sdkAttempts = 3;

interface Share {
  readonly calls: number;
  readonly percent: number;
}
/** So that one call is refused at least. */
const percentOf = ({ calls, percent }: Share): number => Math.max(percent, Math.ceil(100 / calls));
const refusedOf = (share: Share): number => Math.floor((share.calls * percentOf(share)) / 100);

/** What the parameters let happen. */
function planOf(params: Readonly<Record<string, ParamValue>>) {
  const share = { calls: Number(params.calls), percent: Number(params.percent) };
  const [refused, refusals] = [refusedOf(share), Number(params.refusals)];
  return { ...share, refused, refusals, givenUp: refusals === sdkAttempts ? refused : 0 };
}

const statusOf = ({ attributes }: SeenSpan) => attributes["http.response.status_code"];
/** The S3 spans of a run, each with its attempts in order. */
const callsOf = ({ spans }: RunEvidence) =>
  spans
    .filter(({ name }) => name === "S3.GetObject")
    .map((call) => ({
      call,
      attempts: spans.filter(({ parentSpanId }) => parentSpanId === call.spanId),
    }));

/** A call's attempts are numbered as they should be, one after the other. */
function inTurn(attempts: readonly SeenSpan[]): boolean {
  return attempts.every((attempt, index) => {
    const before = attempts[index - 1];
    return (
      attempt.attributes["http.request.resend_count"] === (index === 0 ? undefined : index) &&
      (before === undefined || attempt.startMs >= before.startMs + before.durationMs)
    );
  });
}

function countAttempts(evidence: RunEvidence): CheckFinding {
  const { calls, refused, refusals, givenUp } = planOf(evidence.params);
  const found = callsOf(evidence);
  const tries = found.flatMap(({ attempts }) => attempts);
  const refusedTries = tries.filter((span) => statusOf(span) === 503);
  const hit = found.filter(({ attempts }) => attempts.some((span) => statusOf(span) === 503));
  return {
    ok:
      found.length === calls &&
      hit.length === refused &&
      refusedTries.length === refused * refusals &&
      tries.length === calls - givenUp + refusedTries.length,
    seen: `${hit.length} of ${found.length} calls refused, ${refusedTries.length} refusals in ${tries.length} attempts; expected ${refused} calls, ${refusals} times each`,
  };
}

/** The storage forgets the order by itself after this, should nobody take it back. */
const forgottenMs = 15_000;

/** Attempts of a call that ended in an error. */
const attemptsOf = (error: unknown): number =>
  (error as { readonly cause?: { readonly $metadata?: { readonly attempts?: number } } }).cause
    ?.$metadata?.attempts ?? 0;

export default defineScenario({
  id: "s3.throttled",
  title: "Storage says: slow down",
  summary: "The storage refuses first attempts with 503; the SDK hides it, and the reader waits.",
  story: `Object storage limits how much one prefix or one client may ask. Beyond that it answers 503 SlowDown. The AWS SDK knows the answer: it waits up to a second, at random, and tries again, then up to two seconds, three attempts in all. The caller gets the object and never hears of it.

So the call is green, and slow. What gives it away is below it in the trace: one S3 span with several HTTP spans, the first ones red with 503, the later ones with \`http.request.resend_count\`, and gaps between them in which nobody works. Sentry has nothing; the storage's own counter of 5xx answers has it all.

With all three attempts refused the SDK gives up. Now the S3 span is red too, the app answers 503 with \`Retry-After\`, and Sentry gets its one event, long after the trouble began.

Teams watch the attempts of the SDK and the storage's 5xx rate, spread keys over prefixes, read less at a time, and keep what they read. Trying more often makes it worse; the SDK itself has a budget for retries and stops when it is used up.

The refusals come from the lab's stand-in for MinIO, which can be asked to refuse the calls of one run; the lab does not throttle a real MinIO.`,
  params: {
    calls: integer({
      label: "Pictures read side by side",
      help: "With more than 50 the SDK's budget for retries would end before the retries.",
      default: 2,
      min: 1,
      max: 50,
    }),
    percent: integer({
      label: "Pictures refused",
      help: "Spread evenly; one at least.",
      default: 100,
      min: 1,
      max: 100,
      unit: "%",
    }),
    refusals: integer({
      label: "Attempts refused of each",
      help: "The SDK makes three attempts: with all of them refused it gives up, and the reader gets an error.",
      default: 2,
      min: 1,
      max: sdkAttempts,
    }),
  },
  modes: ["fault", "control"],
  requires: ["s3 stand-in"],
  needs: ["minio"],
  leases: ["metrics"],
  timeoutMs: 20_000,
  async serve({ runId, mode, params, objects, log }) {
    const calm =
      mode === "fault"
        ? await objects.throttle({
            ...{ runId, attempts: params.refusals, percent: percentOf(params), forMs: forgottenMs },
          })
        : undefined;
    const read = async (product: number): Promise<number> => {
      try {
        const { attempts, body, bytes } = await objects.get(objects.imageKey(product));
        let left = bytes;
        for await (const piece of body) left -= piece.length;
        if (left !== 0) throw new Error(`${left} bytes of picture ${product} are missing`);
        const refused = attempts - 1;
        if (refused > 0) log.warn({ refused }, "storage throttled, the SDK tried again");
        return attempts;
      } catch (error) {
        const refused = attemptsOf(error);
        if (refused > 0) log.warn({ refused }, "storage throttled, the SDK gave up");
        throw error;
      }
    };
    try {
      const products = Array.from({ length: params.calls }, (_, index) => index + 1);
      const outcomes = await Promise.allSettled(products.map(read));
      return { attempts: allFulfilled(outcomes) };
    } finally {
      await calm?.();
    }
  },
  expect: [
    {
      signal: "span",
      select: { name: "S3.GetObject", kind: "client" },
      count: "${params.calls}",
      modes: ["fault", "control"],
      why: "One span for each call, however many attempts it takes.",
      hint: "More of them would be calls that the app repeats on top of the SDK.",
    },
    {
      signal: "check",
      title: "a call is red only when all its attempts were refused",
      check: (evidence) => {
        const red = callsOf(evidence).filter(({ call }) => call.status === "error");
        const known = red.filter(({ call }) => call.attributes["error.type"] === "SlowDown");
        const givenUp = evidence.mode === "control" ? 0 : planOf(evidence.params).givenUp;
        return {
          ok: red.length === givenUp && known.length === red.length,
          seen: `${red.length} red, ${known.length} of them SlowDown; expected ${givenUp}`,
        };
      },
      modes: ["fault", "control"],
      why: "What succeeds in the end is green: from above nothing is wrong, until the SDK gives up.",
      hint: "A red one used up its attempts: the storage refused as many as the SDK makes.",
    },
    {
      signal: "span",
      select: {
        kind: "client",
        status: "error",
        childOf: { name: "S3.GetObject" },
        attributes: {
          "http.response.status_code": 503,
          "http.request.resend_count": { exists: false },
        },
      },
      count: { gte: 1 },
      why: "The first attempt was refused with 503: only its HTTP span says so.",
      hint: "Without HTTP spans below the S3 span, internal instrumentation of the AWS SDK is suppressed.",
    },
    {
      signal: "check",
      title: "so many calls are refused as were asked for, each so often, and the others never",
      check: countAttempts,
      why: "The trace holds every attempt, so the share of throttled calls can be counted in it.",
      hint: "Fewer: attempts without a span of their own. More: the storage refuses others too.",
    },
    {
      signal: "check",
      title: "each attempt begins after the one before it, and says how many there were",
      check: (evidence) => {
        const found = callsOf(evidence);
        const repeated = found.filter(({ attempts }) => attempts.length > 1);
        const right = repeated.filter(({ attempts }) => inTurn(attempts));
        return {
          ok: repeated.length > 0 && right.length === repeated.length,
          seen: `${right.length} of ${repeated.length} repeated calls in turn`,
        };
      },
      why: "http.request.resend_count is 1 on the second attempt and 2 on the third: the SDK tries again after a refusal, not beside it.",
      hint: "The count comes from the SDK's header amz-sdk-request; overlapping attempts would be hedging, which asks more of a storage that asked for less.",
    },
    {
      signal: "agree",
      of: [
        {
          spans: {
            kind: "client",
            service: "lab-server",
            childOf: { name: "S3.GetObject" },
            attributes: { "http.response.status_code": 503 },
          },
        },
        {
          metric: {
            name: "lab_s3_requests_5xx_errors_total",
            aliases: ["minio_api_requests_5xx_errors_total"],
            labels: { name: "GetObject" },
          },
        },
      ],
      modes: ["fault", "control"],
      why: "App and storage tell the same number of refusals: nothing between them made some up.",
      hint: "More in the storage: another client was refused too. More in the trace: a proxy refused.",
    },
    {
      signal: "metric",
      name: "lab_s3_requests_5xx_errors_total",
      aliases: ["minio_api_requests_5xx_errors_total"],
      labels: { name: "GetObject" },
      delta: { gte: "${params.refusals}" },
      why: "The storage's own counter rises, also where no caller ever complained.",
      hint: "No change means that the storage was not asked to refuse, or forgot it.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "warn",
      body: { matches: "^storage throttled, the SDK (tried again|gave up)$" },
      attributes: { refused: "${params.refusals}" },
      count: { gte: 1 },
      correlated: true,
      why: "The SDK tells in its result how many attempts it took; an app that logs it need not guess.",
      hint: "The number is $metadata.attempts of the SDK's answer, or of its error.",
    },
    {
      signal: "sentry",
      item: "log",
      service: "lab-server",
      level: "warn",
      name: { matches: "^storage throttled, the SDK (tried again|gave up)$" },
      count: { gte: 1 },
      sameTrace: true,
      why: "Sentry has the lines, and through them the trace, also while it has no event.",
      hint: "Lines reach Sentry through the logger.",
    },
    {
      signal: "agree",
      of: [
        { logs: { body: { matches: "^storage throttled" }, correlated: true } },
        { sentry: { item: "log", name: { matches: "^storage throttled" } } },
        {
          spans: {
            kind: "client",
            childOf: { name: "S3.GetObject" },
            attributes: {
              "http.response.status_code": 503,
              "http.request.resend_count": { exists: false },
            },
          },
        },
      ],
      modes: ["fault", "control"],
      why: "Log, Sentry and trace tell the same number of calls that were refused.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "check",
      title: "Sentry has one event when the SDK gave up, and none as long as it hid the refusals",
      reads: ["sentry"],
      check: ({ sentry, mode, params }) => {
        const events = sentry.filter(({ kind }) => kind === "event");
        const expected = mode === "fault" && planOf(params).givenUp > 0 ? 1 : 0;
        return {
          ok: events.length === expected,
          seen: `${events.length} (${events.map(({ title }) => title).join("; ") || "none"}), expected ${expected}`,
        };
      },
      modes: ["fault", "control"],
      why: "Errors alone never show a storage that throttles, and show it once when readers suffer: one for the request, however many pictures it lacks.",
      hint: "More than one: the app reports each call, and the request again.",
    },
    {
      signal: "check",
      title: "the reader gets all pictures, or 503 when the SDK gave up",
      reads: [],
      check: ({ answer, mode, params }) => {
        const expected = mode === "fault" && planOf(params).givenUp > 0 ? 503 : 200;
        return {
          ok: answer?.status === expected,
          seen: `${answer?.status ?? "no answer"}, expected ${expected}`,
        };
      },
      modes: ["fault", "control"],
      why: "503 with Retry-After says: not now. A 500 would call it a bug of the app.",
      hint: "server/objects/object-store.ts makes the answer of the SDK's last error.",
    },
    {
      signal: "span",
      select: { kind: "client", childOf: { name: "S3.GetObject" } },
      count: "${params.calls}",
      every: { attributes: { "http.response.status_code": 200 } },
      modes: ["control"],
      why: "A storage that is not busy answers the first attempt.",
      hint: "A 503 here is a real one, or the order of another run was not taken back.",
    },
    {
      signal: "metric",
      name: "lab_s3_requests_5xx_errors_total",
      aliases: ["minio_api_requests_5xx_errors_total"],
      labels: { name: "GetObject" },
      delta: 0,
      modes: ["control"],
      why: "Nothing is refused when nobody asks for it.",
      hint: "Look for another run that still throttles.",
    },
    {
      signal: "trace",
      traces: 1,
      roots: 1,
      orphans: 0,
      modes: ["fault", "control"],
      why: "One click is one trace, and every span in it has its place.",
      hint: "A second root means that traceparent was lost on the way; an orphan, that a span was never sent.",
    },
  ],
});
