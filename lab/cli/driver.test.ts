import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { OtlpSpan, OtlpTrace } from "#lab/api/otlp.ts";
import type { CreatedRun } from "#lab/api/run-request.ts";
import { drive } from "./driver.ts";

interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A front door that remembers what it was asked and answers the drive as told. */
async function door(answer: number | "break" | "silence", ingest = 200) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    received.push({ path: request.url ?? "", headers: request.headers, body });
    const status = request.url?.startsWith("/lab/ingest") ? ingest : answer;
    if (status === "silence") return;
    if (status === "break") request.socket.destroy();
    else response.writeHead(status, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { lab: { origin: `http://127.0.0.1:${port}`, token: undefined }, received };
}

const created: CreatedRun = {
  runId: "0mwry9lcy000wu6xxfdmeym5l9",
  ticket: "body.signature",
  drive: { method: "POST", path: "/api/scenarios/db.n-plus-one" },
  stage: false,
};
const scenario = { id: "db.n-plus-one", mode: "fault" } as const;

const spansOf = (received: readonly Received[]): OtlpSpan[] =>
  received
    .filter(({ path }) => path === "/lab/ingest/v1/traces")
    .flatMap(({ body }) => (JSON.parse(body) as OtlpTrace).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));

const attributes = (span: OtlpSpan | undefined) =>
  Object.fromEntries(
    (span?.attributes ?? []).map(({ key, value }) => [key, Object.values(value ?? {})[0]]),
  );

test("the request carries ticket, trace context and the run as baggage", async () => {
  const { lab, received } = await door(200);
  const { traceId } = await drive(lab, created, scenario);
  const driven = received.find(({ path }) => path === created.drive.path);
  expect(driven?.headers).toMatchObject({
    "x-lab-ticket": "body.signature",
    "x-lab-csrf": "1",
    "content-type": "application/json",
    baggage: `lab.run.id=${created.runId},lab.scenario.id=db.n-plus-one,lab.scenario.mode=fault`,
  });
  expect(driven?.headers.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
});

test("root and request span are delivered before it resolves, the root without a parent", async () => {
  const { lab, received } = await door(200);
  const { traceId, answer } = await drive(lab, created, scenario);
  const spans = spansOf(received);
  const root = spans.find(({ name }) => name === "scenario.run db.n-plus-one");
  const request = spans.find(({ name }) => name === "POST");
  expect(root).toMatchObject({ traceId });
  expect(root?.parentSpanId ?? "").toBe("");
  expect(request?.parentSpanId).toBe(root?.spanId);
  expect(attributes(root)).toMatchObject({
    "lab.run.id": created.runId,
    "lab.scenario.id": "db.n-plus-one",
    "lab.scenario.mode": "fault",
  });
  expect(attributes(request)).toMatchObject({ "http.response.status_code": 200 });
  expect(answer.status).toBe(200);
});

test("a connection that breaks is status 0, with the reason, and an error on the span", async () => {
  const { lab, received } = await door("break");
  const { answer } = await drive(lab, created, scenario);
  expect(answer).toMatchObject({ status: 0, error: expect.stringMatching(/closed|reset/i) });
  const request = spansOf(received).find(({ name }) => name === "POST");
  expect(request?.status?.code).toBe(2);
});

test("a driver that is to leave closes the connection without an answer, which is no error", async () => {
  const { lab, received } = await door("silence");
  const leaving = { ...created, drive: { ...created.drive, leaveAfterMs: 50 } };
  const { answer } = await drive(lab, leaving, scenario);
  expect(answer.status).toBe(0);
  const request = spansOf(received).find(({ name }) => name === "POST");
  expect(request?.status?.code ?? 0).toBe(0);
  expect(attributes(request)).not.toHaveProperty("error.type");
});

test("refused telemetry is told, and the answer is not lost", async () => {
  const { lab } = await door(500, 400);
  const { answer, undelivered } = await drive(lab, created, scenario);
  expect(answer.status).toBe(500);
  expect(undelivered).toContain("Bad Request");
});
