import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import * as v from "valibot";
import { expect, test } from "vitest";
import { proxy } from "#scenarios/fault.ts";
import { header } from "#scenarios/names.ts";
import { errorBodySchema } from "../api/error.ts";
import type { CreatedRun } from "../api/run-request.ts";
import type { RunRecord } from "../api/runs.ts";
import type { ScenariosBody } from "../api/scenarios.ts";
import type { StatusBody } from "../api/services.ts";
import { type Ask, ask, openDoorUnderTest, scenario, writing } from "./testing/door-under-test.ts";

const traceId = "a".repeat(32);
const post = (body: unknown): Ask => ({
  method: "POST",
  headers: writing,
  body: typeof body === "string" ? body : JSON.stringify(body),
});

test("status tells where the lab is and how its services are", async () => {
  await using lab = await openDoorUnderTest();
  const body = (await lab.ask("/lab/api/status")).json as StatusBody;
  expect(body).toMatchObject({
    runtime: "embedded",
    origin: lab.door.origin,
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
  });
  expect(body.services.map(({ id }) => id)).toEqual(["postgres", "store", "server"]);
});

test("a card says what the scenario declares, why it cannot run, and how it last went", async () => {
  await using lab = await openDoorUnderTest();
  const created = (await lab.ask("/lab/api/runs", post({ scenario: "db.test" })))
    .json as CreatedRun;
  lab.double.setRow("server", { state: "crash-looping" });
  const { scenarios } = (await lab.ask("/lab/api/scenarios")).json as ScenariosBody;
  expect(scenarios).toHaveLength(1);
  expect(scenarios[0]).toMatchObject({
    id: "db.test",
    params: { n: { kind: "integer", min: 1, max: 10 } },
    expectTitles: [expect.stringContaining("SELECT orders"), expect.stringContaining("log")],
    disabled: "server is crash-looping; its log says why.",
    lastRuns: [{ runId: created.runId, state: "driving" }],
  });
  expect(scenarios[0]).not.toHaveProperty("serve");
});

test("a run is made, observed, read and listed", async () => {
  await using lab = await openDoorUnderTest();
  const made = await lab.ask("/lab/api/runs", post({ scenario: "db.test", params: { n: 3 } }));
  expect(made.status).toBe(201);
  const { runId } = made.json as CreatedRun;
  const seen = { driver: "lab-cli", traceId, answer: { status: 0, durationMs: 5, error: "reset" } };
  const observed = await lab.ask(`/lab/api/runs/${runId}/observations`, post(seen));
  expect(observed).toMatchObject({ status: 200, json: { driver: "lab-cli", answer: seen.answer } });
  const run = (await lab.ask(`/lab/api/runs/${runId}`)).json as RunRecord;
  expect(run).toMatchObject({ runId, params: { n: 3 }, traceIds: [traceId] });
  const list = await lab.ask("/lab/api/runs?scenario=db.test&limit=5");
  expect(list.json.runs).toEqual([run]);
  const older = await lab.ask(`/lab/api/runs?mode=fault&before=${runId}`);
  expect(older.json).toEqual({ runs: [], total: 1 });
  expect((await lab.ask("/lab/api/runs?scenario=db.other")).json.runs).toEqual([]);
});

test("the time of a run's faults begins when its request passes the door", async () => {
  const brief = scenario({ faults: () => [proxy("postgres").down({ forMs: 1 })] });
  await using lab = await openDoorUnderTest({ scenarios: [brief] });
  const { ticket, drive } = (await lab.ask("/lab/api/runs", post({ scenario: "db.test" })))
    .json as CreatedRun;
  const driven = { ...post({}), headers: { ...writing, [header.ticket]: ticket } };
  expect((await lab.ask(drive.path, driven)).status).toBe(200);
  await expect.poll(() => lab.double.calls).toContain("disarm postgres down");
});

const noRun = "0".repeat(26);
test("the evidence of a run can be read, as the judge had it", async () => {
  await using lab = await openDoorUnderTest();
  const { runId } = (await lab.ask("/lab/api/runs", post({ scenario: "db.test" })))
    .json as CreatedRun;
  const { status, headers, json } = await lab.ask(`/lab/api/runs/${runId}/evidence`);
  expect(status).toBe(200);
  expect(headers["content-type"]).toMatch(/^application\/json/);
  expect(json).toMatchObject({ runId, mode: "fault", settled: false, sources: { traces: "ok" } });
  expect((await lab.ask(`/lab/api/runs/${runId}/insights`)).json).toEqual({ insights: [] });
});

test("a scenario that cannot be judged is listed with what is wrong, and refused", async () => {
  const unfit = scenario({ expect: [] });
  await using lab = await openDoorUnderTest({ scenarios: [unfit] });
  const { scenarios } = (await lab.ask("/lab/api/scenarios")).json as ScenariosBody;
  expect(scenarios[0]?.disabled).toMatch(/^scenarios\/db\/test\.ts: expect nothing is expected/);
  const { status, json } = await lab.ask("/lab/api/runs", post({ scenario: "db.test" }));
  expect([status, json.error.code]).toEqual([409, "scenario-unfit"]);
});

test.each([
  ["a body that is no JSON", "/lab/api/runs", post("{"), 400, "bad-json"],
  ["an empty body", "/lab/api/runs", post(""), 400, "bad-json"],
  ["a body of another shape", "/lab/api/runs", post([]), 400, "bad-request"],
  [
    "a field nobody knows",
    "/lab/api/runs",
    post({ scenario: "db.test", x: 1 }),
    400,
    "bad-request",
  ],
  [
    "a scenario nobody knows",
    "/lab/api/runs",
    post({ scenario: "db.no" }),
    404,
    "unknown-scenario",
  ],
  [
    "a mode it has not",
    "/lab/api/runs",
    post({ scenario: "db.test", mode: "fix" }),
    400,
    "bad-mode",
  ],
  [
    "parameters out of range",
    "/lab/api/runs",
    post({ scenario: "db.test", params: { n: 99 } }),
    400,
    "bad-params",
  ],
  [
    "observations of no run",
    `/lab/api/runs/${noRun}/observations`,
    post({ driver: "lab-web" }),
    404,
    "unknown-run",
  ],
  ["a run nobody knows", `/lab/api/runs/${noRun}`, {}, 404, "unknown-run"],
  ["evidence of a run nobody knows", `/lab/api/runs/${noRun}/evidence`, {}, 404, "evidence-gone"],
  ["a limit of zero", "/lab/api/runs?limit=0", {}, 400, "bad-request"],
  ["a query nobody knows", "/lab/api/runs?__proto__=1", {}, 400, "bad-request"],
  ["logs of a bad trace", "/lab/api/logs?trace=zz", {}, 400, "bad-request"],
  ["Sentry items of a bad run", "/lab/api/sentry?run=../x", {}, 400, "bad-request"],
  ["metrics of a bad run", "/lab/api/metrics?run=../x", {}, 400, "bad-request"],
  ["metrics from no time", "/lab/api/metrics?from=yesterday", {}, 400, "bad-request"],
  ["metrics by a misspelt key", "/lab/api/metrics?lable.outcome=hit", {}, 400, "bad-request"],
  [
    "metrics by a label without end",
    `/lab/api/metrics?label.x=${"y".repeat(201)}`,
    {},
    400,
    "bad-request",
  ],
  ["metrics without end", "/lab/api/metrics?limit=5001", {}, 400, "bad-request"],
  [
    "a service that is not here",
    "/lab/api/services/valkey/restart",
    post({}),
    404,
    "unknown-service",
  ],
  ["no service at all", "/lab/api/services/rm/stop", post({}), 404, "unknown-service"],
  ["the log of no service", "/lab/api/services/rm/log", {}, 404, "unknown-service"],
  ["an API that is not there", "/lab/api/profiles", {}, 404, "not-found"],
  ["a body over the limit", "/lab/api/runs", post("x".repeat(70_000)), 413, "body-too-large"],
  [
    "a body over the limit, unannounced",
    "/lab/api/runs",
    {
      ...post(`"${"x".repeat(70_000)}"`),
      headers: { ...writing, "transfer-encoding": "chunked" },
    },
    413,
    "body-too-large",
  ],
] as const)(
  "%s is refused in the one form of errors",
  async (_what, path, request, status, code) => {
    await using lab = await openDoorUnderTest();
    const answer = await lab.ask(path, request);
    expect(answer.status).toBe(status);
    expect(v.parse(errorBodySchema, answer.json).error.code).toBe(code);
    expect(answer.text).not.toMatch(/node:|\.ts|node_modules/);
  },
);

test("all that is wrong with a request is told at once", async () => {
  await using lab = await openDoorUnderTest();
  const answer = await lab.ask("/lab/api/runs", post({ scenario: 5, mode: "x", seed: -1 }));
  expect(answer.json.error.message).toMatch(/scenario:.*mode:.*seed:/);
});

test("a lease that is held is 409 with its holder, too many runs 429 with a time", async () => {
  await using lab = await openDoorUnderTest({
    scenarios: [scenario(), scenario({ id: "db.alone", leases: ["metrics"] })],
  });
  const create = (id: string) => lab.ask("/lab/api/runs", post({ scenario: id }));
  const { runId } = (await create("db.alone")).json as CreatedRun;
  const held = await create("db.alone");
  expect(held).toMatchObject({ status: 409, json: { error: { code: "lease-held" } } });
  expect(held.json.error.message).toContain(runId);
  for (let i = 0; i < 7; i += 1) await create("db.test");
  expect(await create("db.test")).toMatchObject({ status: 429, headers: { "retry-after": "1" } });
});

test("telemetry is read through from the store, in the form asked for", async () => {
  await using lab = await openDoorUnderTest();
  const path = `/lab/api/traces/${traceId}`;
  expect((await lab.ask(path)).status).toBe(404);
  lab.double.store.add({ traceId, spans: [{ service: "lab-web" }], logs: 2, events: 1 });
  const trace = await lab.ask(path, { headers: { accept: "application/x-lab-columns" } });
  expect(trace.json.resourceSpans).toHaveLength(1);
  expect(trace.headers["x-accept-seen"]).toBe("application/x-lab-columns");
  expect((await lab.ask(`/lab/api/logs?trace=${traceId}`)).json.logs).toHaveLength(2);
  expect((await lab.ask(`/lab/api/sentry?trace=${traceId}`)).json.items).toHaveLength(1);
});

test("while the store is away that is said, and the lab goes on", async () => {
  await using lab = await openDoorUnderTest();
  lab.double.setUrl("store", undefined);
  for (const path of [
    `/lab/api/traces/${traceId}`,
    "/lab/api/logs",
    "/lab/api/sentry",
    "/lab/api/metrics",
  ]) {
    const answer = await lab.ask(path);
    expect(answer).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(answer.json.error.code).toBe("store-unreachable");
  }
  expect((await lab.ask("/lab/api/status")).status).toBe(200);
});

test("services are restarted, stopped and started, and their log is read", async () => {
  await using lab = await openDoorUnderTest();
  for (const action of ["restart", "stop", "start"]) {
    const answer = await lab.ask(`/lab/api/services/server/${action}`, post({}));
    expect(answer).toMatchObject({ status: 200, json: { service: { id: "server" } } });
  }
  expect(lab.double.calls).toEqual(["restart server", "stop server", "start server"]);
  const log = await lab.ask("/lab/api/services/server/log?lines=1");
  expect(log.json).toEqual({ lines: ["second line"] });
});

test("what happens is streamed as it happens", async () => {
  await using lab = await openDoorUnderTest();
  await lab.double.store.followed();
  const stream = await fetch(`${lab.door.origin}/lab/api/events`);
  const messages = stream.body?.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
  let seen = "";
  const until = async (text: string) => {
    while (!seen.includes(text)) seen += (await messages?.next())?.value;
  };
  await until("retry:");
  const { runId } = (await lab.ask("/lab/api/runs", post({ scenario: "db.test" }))).json;
  await until(`"runId":"${runId}"`);
  lab.double.setRow("server", { state: "stopping" });
  await until('"type":"service"');
  lab.double.store.add({ traceId, runId, spans: [{ service: "lab-web" }] });
  await until(`{"type":"telemetry","traceId":"${traceId}","runId":"${runId}","spans":1`);
  await until('"counts":{"spans":1');
});

test("a thousand run requests at once are all answered, and the door stays quick", async () => {
  await using lab = await openDoorUnderTest();
  const { port } = lab.door;
  let answered = 0;
  let flooding = true;
  const watch = (async () => {
    while (flooding) {
      expect((await ask(port, "/healthz")).status).toBe(200);
      if (flooding) answered += 1;
    }
  })();
  const flood = Array.from({ length: 1000 }, () => createStatus(port));
  const statuses = await Promise.all(flood);
  flooding = false;
  await watch;
  expect(statuses.filter((status) => status === 201)).toHaveLength(8);
  expect(statuses.filter((status) => status === 429)).toHaveLength(992);
  // Answered between the others, never behind all of them.
  expect(answered).toBeGreaterThan(0);
  expect((await lab.ask("/lab/api/runs?limit=500")).json.runs).toHaveLength(8);
});

async function createStatus(port: number): Promise<number | undefined> {
  const headers = { ...writing, host: `localhost:${port}` };
  const path = { host: "127.0.0.1", port, path: "/lab/api/runs", method: "POST", agent: false };
  const outgoing = httpRequest({ ...path, headers });
  outgoing.end('{"scenario":"db.test"}');
  const [incoming] = (await once(outgoing, "response")) as [IncomingMessage];
  incoming.resume();
  return incoming.statusCode;
}

test("a secret that comes with a request is in no file, no notice and no line of the lab", async () => {
  const canary = "canary-5b1f0c";
  const written: string[] = [];
  const original = { out: process.stdout.write, err: process.stderr.write };
  const capture = (text: string | Uint8Array) => written.push(String(text)) > 0;
  process.stdout.write = capture as typeof process.stdout.write;
  process.stderr.write = capture as typeof process.stderr.write;
  try {
    await using lab = await openDoorUnderTest();
    const headers = {
      ...writing,
      authorization: `Bearer ${canary}`,
      cookie: `session=${canary}`,
      "x-api-key": canary,
    };
    const body = JSON.stringify({ scenario: "db.test", seed: 1 });
    await lab.ask(`/lab/api/runs?token=${canary}`, { method: "POST", headers, body });
    const bad = JSON.stringify({ scenario: canary, params: { [canary]: canary } });
    await lab.ask("/lab/api/runs", { method: "POST", headers, body: bad });
    for (const path of ["/", "/lab/api/runs", "/api/me", "/lab/api/logs", `/${canary}`]) {
      await lab.ask(`${path}?password=${canary}`, { headers });
    }
    await lab.ask(`/x?${canary}`, { headers: { ...headers, host: canary } });
    await lab.ask("/lab/ingest/v1/logs", { method: "POST", headers, body: canary });
    lab.double.setUrl("store", undefined);
    await lab.ask(`/lab/ingest/v1/logs?${canary}`, { method: "POST", headers, body: canary });
    const { readdir, readFile } = await import("node:fs/promises");
    const entries = await readdir(lab.dir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile());
    expect(files.map(({ name }) => name)).toContain("runs.db-wal");
    for (const file of files) {
      const content = await readFile(`${file.parentPath}/${file.name}`);
      expect(content.includes(canary), file.name).toBe(false);
    }
    expect(lab.notices.join()).not.toContain(canary);
  } finally {
    process.stdout.write = original.out;
    process.stderr.write = original.err;
  }
  expect(written.join()).not.toContain(canary);
});
