import { defineScenario } from "../define.ts";
import { integer } from "../param-spec.ts";

interface Share {
  readonly calls: number;
  readonly percent: number;
}
/** So that one call is refused at least. */
const percentOf = ({ calls, percent }: Share): number => Math.max(percent, Math.ceil(100 / calls));
const refusedOf = (share: Share): number => Math.floor((share.calls * percentOf(share)) / 100);

/** The storage forgets the order by itself after this, should nobody take it back. */
const forgottenMs = 15_000;

export default defineScenario({
  id: "s3.throttled",
  title: "Storage says: slow down",
  summary: "The storage refuses first attempts with 503; the SDK hides it, and the reader waits.",
  story: `Object storage limits how much one prefix or one client may ask. Beyond that it answers 503 SlowDown. The AWS SDK knows the answer: it waits half a second and more, at random, and tries again, three attempts in all. The caller gets the object and never hears of it.

So the call is green, and slow. What gives it away is below it in the trace: one S3 span with several HTTP spans, the first ones red with 503, the later ones with \`http.request.resend_count\`, and gaps between them in which nobody works. Sentry has nothing; the storage's own counter of 5xx answers has it all.

Teams watch the attempts of the SDK and the storage's 5xx rate, spread keys over prefixes, read less at a time, and keep what they read. Trying more often makes it worse.

The refusals come from the lab's stand-in for MinIO, which can be asked to refuse the calls of one run; the lab does not throttle a real MinIO.`,
  params: {
    calls: integer({ label: "Pictures read side by side", default: 2, min: 1, max: 10 }),
    percent: integer({
      label: "Pictures refused at first",
      help: "Spread evenly; one at least.",
      default: 100,
      min: 10,
      max: 100,
      step: 10,
      unit: "%",
    }),
    refusals: integer({
      label: "Attempts refused of each",
      help: "The SDK makes three attempts: with all of them refused the reader would get an error, and nothing would be hidden.",
      default: 2,
      min: 1,
      max: 2,
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
      const { attempts, body, bytes } = await objects.get(objects.imageKey(product));
      let left = bytes;
      for await (const piece of body) left -= piece.length;
      if (left !== 0) throw new Error(`${left} bytes of picture ${product} are missing`);
      if (attempts > 1) log.warn({ attempts }, "storage throttled, the SDK tried again");
      return attempts;
    };
    try {
      const products = Array.from({ length: params.calls }, (_, index) => index + 1);
      return { attempts: await Promise.all(products.map(read)) };
    } finally {
      await calm?.();
    }
  },
  expect: [
    {
      signal: "span",
      select: { name: "S3.GetObject", kind: "client", status: "unset" },
      count: "${params.calls}",
      modes: ["fault", "control"],
      why: "Each call succeeds in the end: from above nothing is wrong.",
      hint: "A red one used up its attempts: the storage refused more of them than the SDK makes.",
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
      signal: "span",
      select: {
        kind: "client",
        status: "unset",
        childOf: { name: "S3.GetObject" },
        attributes: {
          "http.response.status_code": 200,
          "http.request.resend_count": "${params.refusals}",
        },
      },
      count: { gte: 1 },
      why: "The attempt that worked tells how many came before it.",
      hint: "The count comes from the SDK's header amz-sdk-request, which names the attempt.",
    },
    {
      signal: "check",
      title: "so many calls are refused as were asked for, each so often, and the others never",
      check: ({ spans, params }) => {
        const share = { calls: Number(params.calls), percent: Number(params.percent) };
        const calls = new Set(
          spans.filter(({ name }) => name === "S3.GetObject").map(({ spanId }) => spanId),
        );
        const tries = spans.filter(({ parentSpanId }) => calls.has(parentSpanId ?? ""));
        const refused = tries.filter(
          ({ attributes }) => attributes["http.response.status_code"] === 503,
        );
        const hit = new Set(refused.map(({ parentSpanId }) => parentSpanId)).size;
        const wanted = refusedOf(share);
        return {
          ok:
            hit === wanted &&
            refused.length === wanted * Number(params.refusals) &&
            tries.length === calls.size + refused.length,
          seen: `${hit} of ${wanted} calls refused, ${refused.length} refusals in ${tries.length} attempts`,
        };
      },
      why: "The trace holds every attempt, so the share of throttled calls can be counted in it.",
      hint: "Fewer: attempts without a span of their own. More: the storage refuses others too.",
    },
    {
      signal: "order",
      first: {
        childOf: { name: "S3.GetObject" },
        attributes: { "http.response.status_code": 503 },
      },
      relation: "before",
      second: {
        childOf: { name: "S3.GetObject" },
        attributes: { "http.response.status_code": 200 },
      },
      why: "The SDK tries again after a refusal, not beside it.",
      hint: "Overlapping attempts would be hedging, which asks more of a storage that asked for less.",
    },
    {
      signal: "agree",
      of: [
        {
          spans: {
            kind: "client",
            service: "lab-server",
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
      body: "storage throttled, the SDK tried again",
      attributes: { attempts: "${params.refusals}+1" },
      count: { gte: 1 },
      correlated: true,
      why: "The SDK tells in its result how many attempts it took; an app that logs it need not guess.",
      hint: "The number is $metadata.attempts of the SDK's answer.",
    },
    {
      signal: "sentry",
      item: "log",
      service: "lab-server",
      level: "warn",
      name: "storage throttled, the SDK tried again",
      count: { gte: 1 },
      sameTrace: true,
      why: "Sentry has the lines, and through them the trace, though it has no event.",
      hint: "Lines reach Sentry through the logger.",
    },
    {
      signal: "agree",
      of: [
        { logs: { body: "storage throttled, the SDK tried again", correlated: true } },
        { sentry: { item: "log", name: "storage throttled, the SDK tried again" } },
        {
          spans: {
            kind: "client",
            childOf: { name: "S3.GetObject" },
            attributes: {
              "http.response.status_code": 200,
              "http.request.resend_count": { gte: 1 },
            },
          },
        },
      ],
      modes: ["fault", "control"],
      why: "Log, Sentry and trace tell the same number of calls that had to be repeated.",
      hint: "The signal that tells fewer is the one that loses data.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "Nothing failed: errors alone would never show a throttled storage.",
      hint: "An event means that a call used up its attempts.",
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
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The reader gets all pictures, only later.",
      hint: "A 500 means that a call used up its attempts.",
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
