import { defineScenario } from "../define.ts";

/** The newest product has no picture yet. */
const [without, withPicture] = [200, 1];

export default defineScenario({
  id: "s3.missing-key",
  title: "Object that is not there",
  summary: "A picture is asked for that nobody has uploaded: one fact, and two shapes of it.",
  story: `The newest product has no picture yet. Asked with GET, the storage answers 404 and a document that says NoSuchKey. Asked with HEAD, an answer has no body: the SDK has nothing to read and says NotFound, with "UnknownError" for a message. Code that looks for one of the two names overlooks the other.

Both calls are red in the trace, as HTTP's conventions want it for a client that got a 4xx. The request above them answered 404 and is not red: asking for what is not there is the caller's affair. So there is a line in the log and nothing in Sentry, and the SDK did not try again, because a second answer would be the same.

Teams treat both names alike, answer 404 instead of 500, and watch the rate of missing keys rather than each one: a sudden rise is a broken upload or a deleted prefix.`,
  params: {},
  modes: ["fault", "control"],
  needs: ["minio"],
  leases: ["metrics"],
  async serve({ mode, objects, http }) {
    const product = mode === "fault" ? without : withPicture;
    const seen = await objects.head(objects.imageKey(product)).then(
      ({ bytes }) => `${bytes} bytes`,
      (error: unknown) => (error instanceof Error ? error.name : String(error)),
    );
    const answer = await http(`/api/products/${product}/image`);
    await answer.body?.cancel();
    return { head: seen, get: answer.status };
  },
  expect: [
    {
      signal: "span",
      select: {
        name: "S3.GetObject",
        kind: "client",
        status: "error",
        attributes: {
          "error.type": "NoSuchKey",
          "aws.s3.bucket": "lab-products",
          "aws.s3.key": "products/200.svg",
          "http.response.status_code": 404,
        },
      },
      count: 1,
      why: "The call is red and says which key of which bucket is missing.",
      hint: "Bucket and key come from the instrumentation of the AWS SDK; look whether the SDK was loaded before it.",
    },
    {
      signal: "span",
      select: {
        name: "S3.HeadObject",
        kind: "client",
        status: "error",
        attributes: { "error.type": "NotFound", "aws.s3.key": "products/200.svg" },
      },
      count: 1,
      why: "The same fact by HEAD has another name: its answer has no body that could say NoSuchKey.",
      hint: "A NoSuchKey here would mean that the storage sent a body with its answer to HEAD.",
    },
    {
      signal: "span",
      select: {
        kind: "client",
        childOf: { name: "S3.GetObject" },
        attributes: { "http.response.status_code": 404 },
      },
      count: 1,
      why: "One attempt: a key that is missing now is missing a moment later too.",
      hint: "More than one means that the app retries what cannot get better.",
    },
    {
      signal: "span",
      select: {
        name: "GET /api/products/:id/image",
        kind: "server",
        status: "unset",
        attributes: { "http.response.status_code": 404 },
      },
      count: 1,
      why: "A 404 is an answer, not a failure of the app: its span is not an error.",
      hint: "A 500 means that the app took the missing key for a failure of its own.",
    },
    {
      signal: "log",
      service: "lab-server",
      severity: "info",
      body: "product picture is missing",
      attributes: { "aws.s3.key": "products/200.svg" },
      count: 1,
      correlated: true,
      why: "One quiet line tells which key, for whoever asks why a picture is missing.",
      hint: "The route of the picture writes it where it answers 404.",
    },
    {
      signal: "sentry",
      item: "log",
      service: "lab-server",
      level: "info",
      name: "product picture is missing",
      count: 1,
      sameTrace: true,
      why: "The same line is in Sentry's logs, on the trace of the click.",
      hint: "Lines reach Sentry through the logger; a line without the trace was written outside the request.",
    },
    {
      signal: "span",
      select: { name: "SELECT products", service: "lab-server", status: "unset" },
      count: 1,
      modes: ["fault", "control"],
      why: "The product is in the database: it is only its picture that is missing.",
      hint: "Without it the route answered 404 for another reason.",
    },
    {
      signal: "sentry",
      item: "event",
      count: 0,
      modes: ["fault", "control"],
      why: "Nobody has to get up for a picture that was never uploaded.",
      hint: "An event means that the error left the route unhandled.",
    },
    {
      signal: "metric",
      name: "lab_s3_requests_4xx_errors_total",
      aliases: ["minio_api_requests_4xx_errors_total"],
      labels: { name: "GetObject" },
      delta: 1,
      why: "The storage counted the refusal too: its rate is what to alert on.",
      hint: "More than one is another client of the storage, or a retry.",
    },
    {
      signal: "metric",
      name: "lab_s3_requests_4xx_errors_total",
      aliases: ["minio_api_requests_4xx_errors_total"],
      labels: { name: "GetObject" },
      delta: 0,
      modes: ["control"],
      why: "A picture that is there is read without a refusal.",
      hint: "Somebody else asked the storage for something that is not there.",
    },
    {
      signal: "span",
      select: {
        name: "S3.GetObject",
        status: "unset",
        attributes: { "http.response.status_code": 200, "aws.s3.key": "products/1.svg" },
      },
      count: 1,
      modes: ["control"],
      why: "The same work with a key that is there.",
      hint: "A 404 here means that the app has not put its pictures into the storage yet.",
    },
    {
      signal: "answer",
      status: 200,
      modes: ["fault", "control"],
      why: "The visitor gets a page, with or without the picture.",
      hint: "A 500 means that the missing picture took the whole answer with it.",
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
    {
      signal: "log",
      severity: "error",
      count: 0,
      modes: ["fault", "control"],
      why: "A picture that is not there is an everyday answer of the storage, not an error.",
      hint: "Lines at level error wake somebody up: look at how a missing key is told from an outage.",
    },
  ],
});
