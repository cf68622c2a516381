import { expect, test } from "vitest";
import { attribute } from "#scenarios/names.ts";
import type { LabEvent } from "../api/events.ts";
import type { CreatedRun } from "../api/run-request.ts";
import type { RunRecord } from "../api/runs.ts";
import { emptyDir } from "../store/testing/open.ts";
import {
  envelope,
  logsProtobuf,
  newSpanId,
  newTraceId,
  span,
  text,
  traces,
} from "../store/testing/payload.ts";
import { startStoreProcess } from "../store/testing/process.ts";
import { type DoorUnderTest, openDoorUnderTest, writing } from "./testing/door-under-test.ts";

async function createRun(lab: DoorUnderTest): Promise<string> {
  const request = { method: "POST", headers: writing, body: '{"scenario":"db.test"}' };
  return ((await lab.ask("/lab/api/runs", request)).json as CreatedRun).runId;
}

/** What the page sends for one run: its root span, a log record, and a Sentry event. */
async function sendTelemetry(lab: DoorUnderTest, traceId: string, runId: string): Promise<void> {
  const spanId = newSpanId();
  const attributes = [text(attribute.runId, runId)];
  const send = async (path: string, type: string, body: string | Buffer) => {
    const headers = { "content-type": type };
    expect(await lab.ask(path, { method: "POST", headers, body })).toMatchObject({ status: 200 });
  };
  const root = span({ traceId, spanId, attributes });
  await send(
    "/lab/ingest/v1/traces",
    "application/json",
    JSON.stringify(traces([root], "lab-web")),
  );
  const record = {
    timeUnixNano: "1",
    severityNumber: 9,
    body: { stringValue: "x" },
    traceId,
    spanId,
  };
  await send("/lab/ingest/v1/logs", "application/x-protobuf", logsProtobuf([record], "lab-web"));
  const payload = { exception: { values: [] }, contexts: { trace: { trace_id: traceId } } };
  await send("/lab/ingest/envelope", "text/plain", envelope([{ type: "event", payload }]));
}

/** Follows the lab's events. */
async function openEvents(lab: DoorUnderTest) {
  const stream = await fetch(`${lab.door.origin}/lab/api/events`);
  const messages = stream.body?.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let rest = "";
  return {
    /** Resolves with the next state of a run that fits. */
    runThat: async (fits: (run: RunRecord) => boolean): Promise<RunRecord> => {
      for (;;) {
        const end = rest.indexOf("\n");
        if (end < 0) {
          rest += (await messages?.next())?.value ?? "";
          continue;
        }
        const line = rest.slice(0, end);
        rest = rest.slice(end + 1);
        if (!line.startsWith("data:")) continue;
        const event = JSON.parse(line.slice(5)) as LabEvent;
        if (event.type === "run" && fits(event.run)) return event.run;
      }
    },
  };
}

test("the page's telemetry becomes the run's evidence, and can be read", async () => {
  await using lab = await openDoorUnderTest({ attach: false });
  const store = await startStoreProcess(await emptyDir());
  lab.double.setUrl("store", store.url);
  lab.door.attach(lab.double.system);
  const events = await openEvents(lab);
  const runId = await createRun(lab);
  const traceId = newTraceId();
  await sendTelemetry(lab, traceId, runId);
  const end = { driver: "lab-web", traceId, ended: true };
  const request = { method: "POST", headers: writing, body: JSON.stringify(end) };
  await lab.ask(`/lab/api/runs/${runId}/observations`, request);
  const run = await events.runThat(({ state }) => state === "settled");
  expect(run).toMatchObject({ runId, traceIds: [traceId] });
  expect(run.counts).toMatchObject({ spans: 1, logs: 1 });
  const lit = run.signals.filter(({ seenAfterMs }) => seenAfterMs !== null).map(({ id }) => id);
  expect(lit).toEqual(["browser-span", "log", "sentry-event"]);

  expect((await lab.ask(`/lab/api/traces/${traceId}`)).json.resourceSpans).toHaveLength(1);
  expect((await lab.ask(`/lab/api/logs?run=${runId}`)).json.logs).toHaveLength(1);
  const { items } = (await lab.ask(`/lab/api/sentry?run=${runId}&kind=event`)).json;
  expect(items).toHaveLength(1);
});

test("a store that is killed and comes back elsewhere costs nothing that it had confirmed", async () => {
  await using lab = await openDoorUnderTest({ attach: false });
  const dir = await emptyDir();
  const first = await startStoreProcess(dir);
  lab.double.setUrl("store", first.url);
  lab.door.attach(lab.double.system);
  const events = await openEvents(lab);
  const runId = await createRun(lab);
  const traceId = newTraceId();
  await sendTelemetry(lab, traceId, runId);
  await events.runThat(({ counts }) => counts.spans === 1);

  await first.end("SIGKILL");
  const away = await lab.ask("/lab/ingest/v1/traces", { method: "POST", body: "{}" });
  expect(away).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
  const end = { driver: "lab-web", traceId, ended: true };
  const request = { method: "POST", headers: writing, body: JSON.stringify(end) };
  const observed = await lab.ask(`/lab/api/runs/${runId}/observations`, request);
  expect(observed.json.state).toBe("settling");

  const second = await startStoreProcess(dir);
  lab.double.setUrl("store", second.url);
  const run = await events.runThat(({ state }) => state === "settled");
  expect(run.counts).toMatchObject({ spans: 1, logs: 1 });
});

test("metrics that came by OTLP are read by name, label and time", async () => {
  await using lab = await openDoorUnderTest({ attach: false });
  const store = await startStoreProcess(await emptyDir());
  lab.double.setUrl("store", store.url);
  lab.door.attach(lab.double.system);
  const point = (outcome: string, ms: number) => ({
    asInt: "1",
    timeUnixNano: `${ms}000000`,
    attributes: [text("outcome", outcome)],
  });
  const dataPoints = [point("hit & miss", 1000), point("miss", 1000), point("hit & miss", 3000)];
  const metrics = [{ name: "lab.clicks", sum: { dataPoints } }];
  const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
  const headers = { "content-type": "application/json" };
  const sent = await lab.ask("/lab/ingest/v1/metrics", { method: "POST", headers, body });
  expect(sent.status).toBe(200);
  const query = new URLSearchParams({
    name: "lab.clicks",
    "label.outcome": "hit & miss",
    to: "2999",
  });
  const { points } = (await lab.ask(`/lab/api/metrics?${query}`)).json;
  expect(points).toMatchObject([{ name: "lab.clicks", value: 1, timeUnixNano: "1000000000" }]);
});

test("what the store refuses is refused in its words", async () => {
  await using lab = await openDoorUnderTest({ attach: false });
  const store = await startStoreProcess(await emptyDir());
  lab.double.setUrl("store", store.url);
  lab.door.attach(lab.double.system);
  const post = { method: "POST", headers: { "content-type": "application/x-protobuf" } };
  const bad = await lab.ask("/lab/ingest/v1/traces", { ...post, body: Buffer.alloc(40, 0xff) });
  expect(bad.status).toBe(400);
  expect(bad.headers["content-security-policy"]).toContain("default-src 'self'");
});

test("a run is pinned and unpinned, and spans, rates and the store's facts are read through the door", async () => {
  await using lab = await openDoorUnderTest({ attach: false });
  const store = await startStoreProcess(await emptyDir());
  lab.double.setUrl("store", store.url);
  lab.door.attach(lab.double.system);
  const runId = "0mwrxqxui000e5d2ysryfvixir";
  const now = String(BigInt(Date.now()) * 1_000_000n);
  const one = span({
    attributes: [text(attribute.runId, runId)],
    startTimeUnixNano: now,
    endTimeUnixNano: now,
  });
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(traces([one]));
  await lab.ask("/lab/ingest/v1/traces", { method: "POST", headers, body });

  const pin = (method: string, to = runId) =>
    lab.ask(`/lab/api/runs/${to}/pin`, {
      method,
      headers: writing,
      ...(method === "POST" ? { body: "{}" } : {}),
    });
  expect(await pin("POST", "0".repeat(26))).toMatchObject({
    status: 404,
    json: { error: { code: "unknown_run" } },
  });
  expect((await pin("POST")).json).toEqual({ pinnedRuns: [runId] });
  expect((await lab.ask("/lab/api/store")).json).toMatchObject({ spans: 1, pinnedRuns: [runId] });
  expect((await pin("DELETE")).json).toEqual({ pinnedRuns: [] });
  // Without the header that no foreign page can send.
  expect((await lab.ask(`/lab/api/runs/${runId}/pin`, { method: "DELETE" })).status).toBe(403);

  expect((await lab.ask("/lab/api/red?seconds=60")).json).toMatchObject({
    services: [{ service: "lab-server", count: 1 }],
    operations: [{ name: "work", count: 1 }],
  });
  expect((await lab.ask("/lab/api/red?seconds=no")).status).toBe(400);
  const search = (q: string) => lab.ask(`/lab/api/search?q=${encodeURIComponent(q)}`);
  expect((await search('{ name = "work" }')).json).toMatchObject({
    traces: [{ traceID: one.traceId, spanSet: { matched: 1, spans: [{ spanID: one.spanId }] } }],
  });
  expect(await search("{ name = }")).toMatchObject({
    status: 400,
    json: { error: { code: "bad_traceql", message: expect.stringContaining("line 1, column 10") } },
  });
  expect((await lab.ask("/lab/api/tags")).json).toMatchObject({
    scopes: expect.arrayContaining([{ name: "span", tags: [attribute.runId] }]),
  });
  expect((await lab.ask(`/lab/api/tags/span.${attribute.runId}`)).json).toEqual({
    tagValues: [{ type: "string", value: runId }],
  });
  const where = `?q=${encodeURIComponent('{ name = "other" && kind = }')}`;
  expect((await lab.ask(`/lab/api/tags/span.${attribute.runId}${where}`)).json).toEqual({
    tagValues: [],
  });
  expect((await lab.ask("/lab/api/tags?limit=1")).status).toBe(400);
  const details = await lab.ask(`/lab/api/traces/${one.traceId}/spans/${one.spanId}`);
  expect(details.json).toMatchObject({
    resourceSpans: [{ scopeSpans: [{ spans: [{ spanId: one.spanId }] }] }],
  });
  const accept = { accept: "application/x-lab-columns" };
  const columns = await fetch(`${lab.door.origin}/lab/api/traces/${one.traceId}`, {
    headers: accept,
  });
  expect(columns.headers.get("content-type")).toBe(accept.accept);
  expect(Buffer.from(await columns.arrayBuffer()).toString("latin1", 0, 8)).toBe("LABCOL02");
});
