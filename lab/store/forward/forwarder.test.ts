import { expect, test } from "vitest";
import { within } from "#lab/supervisor/testing/supervise.ts";
import { freePort } from "#lab/testing/free-port.ts";
import type { StatsBody } from "../contract.ts";
import { emptyDir, openTestStore } from "../testing/open.ts";
import { envelope, newTraceId, span, tracesProtobuf } from "../testing/payload.ts";
import { openSentryDouble } from "../testing/sentry-double.ts";
import { parseDsn } from "./dsn.ts";
import { type Forwarder, openForwarder, queueLimits } from "./forwarder.ts";

const event = (message: string) => ({
  type: "event",
  payload: { message, contexts: { trace: { trace_id: newTraceId() } } },
});
const statsThat = async (forwarder: Forwarder, fits: () => boolean): Promise<void> => {
  await expect.poll(() => fits() && forwarder.stats().waiting === 0, { interval: 5 }).toBe(true);
};

test("spans and envelopes go on to the project, as received but for the header's dsn", async () => {
  const sentry = await openSentryDouble();
  const store = await openTestStore({ sentryDsn: sentry.dsn });
  const spans = tracesProtobuf([span()]);
  expect((await store.post("/v1/traces", spans)).status).toBe(200);
  await sentry.got(1);
  const items = '{"type":"event","length":17}\n{"message":"x\\n"}\n{"type":"odd"}\n{ }\n';
  const header = {
    event_id: "e".repeat(32),
    dsn: "http://lab@127.0.0.1/1",
    trace: { public_key: "lab", x: 1 },
  };
  const sent = await store.post("/api/1/envelope/", `${JSON.stringify(header)}\n${items}`);
  expect(sent.status).toBe(200);
  await sentry.got(2);
  const [otlp, forwarded] = sentry.received;
  expect(otlp).toMatchObject({
    path: "/sub/api/42/integration/otlp/v1/traces/",
    headers: {
      "content-type": "application/x-protobuf",
      "x-sentry-auth": expect.stringMatching(/^Sentry sentry_version=7, sentry_key=publickey,/),
    },
  });
  expect(otlp?.body.equals(spans)).toBe(true);
  expect(forwarded?.path).toBe("/sub/api/42/envelope/");
  const [first = "", ...rest] = String(forwarded?.body).split("\n");
  expect(JSON.parse(first)).toEqual({
    ...header,
    dsn: sentry.dsn,
    trace: { public_key: "publickey", x: 1 },
  });
  expect(rest.join("\n")).toBe(items);
  await expect.poll(async () => (await forwardingOf(store)).sent, { interval: 5 }).toBe(2);
  expect(await forwardingOf(store)).toEqual({ sent: 2, waiting: 0, dropped: {} });
});

const forwardingOf = async (store: Awaited<ReturnType<typeof openTestStore>>) => {
  const { forwarding } = await store.get<StatsBody>("/lab/stats");
  if (forwarding === null) throw new Error("the store forwards nothing");
  return forwarding;
};

test("spans that a Collector has sent on itself are kept, and not sent again", async () => {
  const sentry = await openSentryDouble();
  const store = await openTestStore({ sentryDsn: sentry.dsn });
  const traceId = newTraceId();
  const answer = await fetch(`${store.url}/v1/traces`, {
    method: "POST",
    headers: { "content-type": "application/x-protobuf", "x-lab-sent-on": "sentry" },
    body: tracesProtobuf([span({ traceId })]),
  });
  expect(answer.status).toBe(200);
  expect((await store.post("/v1/traces", tracesProtobuf([span()]))).status).toBe(200);
  await expect.poll(async () => (await forwardingOf(store)).sent, { interval: 5 }).toBe(1);
  expect(sentry.received).toHaveLength(1);
  expect((await fetch(`${store.url}/lab/traces/${traceId}`)).status).toBe(200);
});

test("what the store refuses is not sent on", async () => {
  const sentry = await openSentryDouble();
  const store = await openTestStore({ sentryDsn: sentry.dsn });
  expect((await store.post("/v1/traces", Buffer.from([0x0a, 0x7f]))).status).toBe(400);
  expect((await store.post("/api/1/envelope/", "no envelope")).status).toBe(400);
  await store.post("/v1/traces", tracesProtobuf([span()]));
  await sentry.got(1);
  expect(sentry.received).toHaveLength(1);
});

test("after a 429 nothing is sent before Retry-After, by default a minute", async () => {
  const sentry = await openSentryDouble();
  let now = 1_000_000;
  const forwarder = openForwarder({ project: parseDsn(sentry.dsn), now: () => now });
  const refuse = async (headers: Record<string, string>): Promise<void> => {
    const before = forwarder.stats().dropped["rate limited"] ?? 0;
    sentry.answerWith((response) => response.writeHead(429, headers).end());
    forwarder.spans(tracesProtobuf([span()]));
    await statsThat(forwarder, () => forwarder.stats().dropped["rate limited"] === before + 1);
    sentry.answerWith((response) => response.end());
  };
  const sendsAt = async (ms: number): Promise<boolean> => {
    now = ms;
    const before = sentry.received.length;
    forwarder.envelope(Buffer.from(envelope([event("x")])));
    await statsThat(forwarder, () => true);
    return sentry.received.length > before;
  };
  await refuse({ "retry-after": "20" });
  expect(await sendsAt(1_019_999)).toBe(false);
  expect(await sendsAt(1_020_000)).toBe(true);
  await refuse({});
  expect(await sendsAt(1_079_999)).toBe(false);
  expect(await sendsAt(1_080_000)).toBe(true);
  await refuse({ "retry-after": new Date(1_090_000).toUTCString() });
  expect(await sendsAt(1_089_999)).toBe(false);
  expect(await sendsAt(1_090_000)).toBe(true);
  expect(forwarder.stats()).toEqual({ sent: 3, waiting: 0, dropped: { "rate limited": 6 } });
  await forwarder.close(0);
});

test("a limit of one category leaves the others their way, within an envelope, too", async () => {
  const sentry = await openSentryDouble();
  let now = 0;
  const forwarder = openForwarder({ project: parseDsn(sentry.dsn), now: () => now });
  sentry.answerWith((response) =>
    response
      .writeHead(200, { "x-sentry-rate-limits": "30:error;span:key, 60:session:organization" })
      .end(),
  );
  forwarder.envelope(Buffer.from(envelope([event("first")])));
  await statsThat(forwarder, () => forwarder.stats().sent === 1);
  sentry.answerWith((response) => response.end());
  const mixed = (): string =>
    envelope([
      event("second"),
      { type: "session", payload: { status: "ok" } },
      { type: "log", payload: { items: [{ body: "kept" }] } },
    ]);
  forwarder.envelope(Buffer.from(mixed()));
  forwarder.spans(tracesProtobuf([span()]));
  await statsThat(forwarder, () => forwarder.stats().sent === 2);
  expect(String(sentry.received[1]?.body).split("\n").slice(1)).toEqual([
    '{"type":"log"}',
    '{"items":[{"body":"kept"}]}',
    "",
  ]);
  expect(forwarder.stats().dropped).toEqual({ "rate limited": 3 });
  now = 30_000;
  forwarder.envelope(Buffer.from(mixed()));
  await statsThat(forwarder, () => forwarder.stats().sent === 3);
  expect(String(sentry.received[2]?.body)).toContain("second");
  expect(String(sentry.received[2]?.body)).not.toContain("session");
  await forwarder.close(0);
});

test("a Sentry that hangs slows nothing down, and what does not fit the queue is counted", async () => {
  const sentry = await openSentryDouble();
  sentry.answerWith(() => undefined);
  const store = await openTestStore({ sentryDsn: sentry.dsn });
  const sends = queueLimits.requests + 10;
  for (let n = 0; n < sends; n++)
    expect((await store.post("/v1/traces", tracesProtobuf([span()]))).status).toBe(200);
  expect(await store.get("/lab/stats")).toMatchObject({
    spans: sends,
    forwarding: { sent: 0, waiting: queueLimits.requests, dropped: { "queue full": 10 } },
  });
  expect(sentry.received.length).toBeLessThan(5);
  await within(5000, store.close());
});

test("bytes are a limit of the queue, too", async () => {
  const sentry = await openSentryDouble();
  sentry.answerWith(() => undefined);
  const forwarder = openForwarder({ project: parseDsn(sentry.dsn) });
  for (let n = 0; n < 3; n++) forwarder.spans(Buffer.alloc(queueLimits.bytes / 2));
  expect(forwarder.stats()).toMatchObject({ waiting: 2, dropped: { "queue full": 1 } });
  await forwarder.close(0);
  expect(forwarder.stats().dropped).toEqual({ "queue full": 1, "store stopped": 2 });
  forwarder.spans(Buffer.alloc(1));
  expect(forwarder.stats().dropped["store stopped"]).toBe(3);
});

test("failures are dropped by their reason, and not sent again", async () => {
  const sentry = await openSentryDouble();
  const project = parseDsn(sentry.dsn);
  const forwarder = openForwarder({ project });
  const impatient = openForwarder({ project, timeoutMs: 50 });
  const dropped = (reason: string, by = forwarder): Promise<void> =>
    statsThat(by, () => by.stats().dropped[reason] === 1);
  const spans = tracesProtobuf([span()]);
  sentry.answerWith((response) => response.writeHead(307, { location: "/elsewhere" }).end());
  forwarder.spans(spans);
  await dropped("redirected");
  sentry.answerWith((response) => response.writeHead(403).end());
  forwarder.spans(spans);
  await dropped("refused: 403");
  sentry.answerWith((response) => response.writeHead(200).write("{"));
  impatient.spans(spans);
  await dropped("no answer in time", impatient);
  sentry.answerWith((response) => response.destroy());
  forwarder.spans(spans);
  await dropped("unreachable: ECONNRESET");
  expect(sentry.received.map(({ path }) => path)).toEqual(
    Array(4).fill(project.tracesUrl.pathname),
  );
  sentry.close();
  forwarder.spans(spans);
  await dropped("unreachable: ECONNREFUSED");
  expect([forwarder, impatient].map(({ stats }) => stats().sent)).toEqual([0, 0]);
  await Promise.all([forwarder.close(0), impatient.close(0)]);
});

test("a stop sends what waits", async () => {
  const sentry = await openSentryDouble();
  const forwarder = openForwarder({ project: parseDsn(sentry.dsn) });
  for (let n = 0; n < 10; n++) forwarder.spans(tracesProtobuf([span()]));
  await forwarder.close(5000);
  expect(forwarder.stats()).toEqual({ sent: 10, waiting: 0, dropped: {} });
});

test.each([
  ["nonsense", "it is no URL"],
  ["ftp://key@host/1", "it begins with neither https:// nor http://"],
  ["https://host/1", "it has no public key before the @"],
  ["https://key@host/", "it does not end in the number of a project"],
])("the DSN %s is refused at the start with a hint, and not repeated", async (dsn, why) => {
  const opening = openTestStore({ sentryDsn: dsn });
  await expect(opening).rejects.toMatchObject({
    code: "bad-dsn",
    message: `SENTRY_DSN is no address that can be sent to: ${why}.`,
    hint: expect.stringContaining("https://<key>@<host>/<project>"),
  });
});

test("a DSN with a path and an old secret key is understood", () => {
  expect(parseDsn("https://key:secret@sentry.example:9000/some/path/7")).toEqual({
    dsn: "https://key@sentry.example:9000/some/path/7",
    publicKey: "key",
    envelopeUrl: new URL("https://sentry.example:9000/some/path/api/7/envelope/"),
    tracesUrl: new URL("https://sentry.example:9000/some/path/api/7/integration/otlp/v1/traces/"),
  });
});

test("a DSN that leads back to the store is refused: it would send to itself for ever", async () => {
  const port = await freePort();
  const sentryDsn = `http://lab@localhost:${port}/1`;
  await expect(openTestStore({ dir: await emptyDir(), port, sentryDsn })).rejects.toMatchObject({
    code: "bad-dsn",
  });
});
