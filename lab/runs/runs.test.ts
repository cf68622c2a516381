import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { verifyTicket } from "#scenarios/ticket.ts";
import { scenario } from "../front-door/testing/door-under-test.ts";
import { drivingLimit } from "./runs.ts";
import {
  ended,
  openRunsUnderTest as open,
  otherTrace,
  root,
  thrown,
  ticketKey,
  traceId,
} from "./testing/runs-under-test.ts";

test("a run gets an id, a ticket that the app can check, and what its mode declares", async () => {
  await using lab = await open();
  const created = await lab.runs.create({
    scenario: "db.test",
    mode: "control",
    params: { n: 7 },
    seed: 3,
  });
  expect(created).toMatchObject({
    drive: { method: "POST", path: "/api/scenarios/db.test" },
    stage: false,
  });
  expect(verifyTicket(created.ticket, ticketKey, Date.now())).toMatchObject({
    ok: true,
    ticket: {
      runId: created.runId,
      scenario: "db.test",
      mode: "control",
      params: { n: 7 },
      seed: 3,
    },
  });
  expect(verifyTicket(created.ticket, ticketKey, Date.now() + 12_001)).toMatchObject({ ok: false });
  expect(lab.runs.get(created.runId)).toMatchObject({
    ...{ state: "driving", verdict: "pending", answer: null, endedAt: null },
    checks: [{ index: 1, signal: "log", state: "pending", why: "It is told." }],
  });
});

test.each([
  [{ scenario: "db.nothing" }, "unknown-scenario"],
  [{ scenario: "__proto__" }, "unknown-scenario"],
  [{ scenario: "db.test", mode: "fix" }, "bad-mode"],
  [{ scenario: "db.test", params: { n: 11, x: 1 } }, "bad-params"],
  [{ scenario: "db.test", params: { n: Number.NaN } }, "bad-params"],
  [{ scenario: "db.test", params: { n: "5; DROP TABLE runs" } }, "bad-params"],
] as const)("%j is refused as %s", async (request, code) => {
  await using lab = await open();
  expect(await thrown(() => lab.runs.create(request))).toMatchObject({
    code,
    hint: expect.any(String),
  });
  expect(lab.runs.list({ limit: 10 })).toEqual([]);
});

test("every problem with the parameters is told at once", async () => {
  await using lab = await open();
  const error = await thrown(() =>
    lab.runs.create({ scenario: "db.test", params: { n: 0, m: 1 } }),
  );
  expect(error).toMatchObject({
    message: expect.stringMatching(/unknown parameter "m".*n must be/),
  });
});

test("while a needed service is away the run is refused with the reason", async () => {
  await using lab = await open([
    scenario(),
    scenario({ id: "db.real", requires: ["real valkey"] }),
  ]);
  lab.double.setRow("server", { state: "backing-off" });
  expect(await thrown(() => lab.runs.create({ scenario: "db.test" }))).toMatchObject({
    code: "requirement-missing",
    message: expect.stringContaining("server is backing-off"),
  });
  lab.double.setRow("server", { state: "ready" });
  expect(await thrown(() => lab.runs.create({ scenario: "db.real" }))).toMatchObject({
    code: "requirement-absent",
    message: expect.stringContaining("Valkey"),
  });
});

test("a run settles when its driver has ended and its telemetry is there and still", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.store.add({ traceId, runId, spans: [{ service: "lab-server", kind: 2 }], logs: 2 });
  await lab.until((run) => run.counts.spans === 1);
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root], events: 1 });
  const run = await lab.until(({ state }) => state === "settled");
  expect(run).toMatchObject({
    driver: "lab-web",
    traceIds: [traceId],
    answer: ended.answer,
    counts: { spans: 2, logs: 2, sentry: 1 },
    links: [{ href: `/lab/api/traces/${traceId}` }],
    endedAt: expect.any(Number),
  });
  const seen = Object.fromEntries(run.signals.map(({ id, seenAfterMs }) => [id, seenAfterMs]));
  expect(seen).toEqual({
    "browser-span": expect.any(Number),
    "server-span": expect.any(Number),
    "store-span": null,
    metric: null,
    exemplar: null,
    log: expect.any(Number),
    "sentry-event": expect.any(Number),
  });
  expect(seen["server-span"]).toBeLessThanOrEqual(seen["browser-span"] ?? -1);
  const { links: _, checks, ...kept } = run;
  expect(lab.records.get(runId)).toMatchObject(kept);
  expect(lab.records.get(runId)?.checks).toHaveLength(checks.length);
});

test("a call to a database lights the data-store span", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const attributes = [{ key: "db.system.name", value: { stringValue: "postgresql" } }];
  lab.store.add({ traceId, runId, spans: [{ service: "lab-server", kind: 3, attributes }] });
  const run = await lab.until(({ counts }) => counts.spans === 1);
  const lit = run.signals.filter(({ seenAfterMs }) => seenAfterMs !== null).map(({ id }) => id);
  expect(lit).toEqual(["store-span"]);
});

test("the driver's trace comes first, also when another one came before it was told", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.store.add({ traceId: otherTrace, runId, spans: [{ service: "lab-server" }] });
  await lab.until(({ traceIds }) => traceIds.length === 1);
  expect(lab.runs.observe(runId, ended).traceIds).toEqual([traceId, otherTrace]);
});

test("telemetry of other runs and of nobody is not counted", async () => {
  await using lab = await open();
  const one = (await lab.runs.create({ scenario: "db.test" })).runId;
  const two = (await lab.runs.create({ scenario: "db.test" })).runId;
  lab.store.add({ traceId: otherTrace, runId: two, spans: [root, root], logs: 3 });
  lab.store.add({ traceId: "c".repeat(32), spans: [root] });
  lab.store.add({ traceId, runId: one, spans: [root] });
  const first = await lab.until(({ runId, counts }) => runId === one && counts.spans > 0);
  expect(first).toMatchObject({ counts: { spans: 1, logs: 0 }, traceIds: [traceId] });
});

test("telemetry that comes after the run has settled still counts", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root] });
  await lab.until(({ state }) => state === "settled");
  lab.store.add({ traceId, runId, logs: 1 });
  const late = await lab.until(({ counts }) => counts.logs === 1);
  expect(late.state).toBe("settled");
});

test("a run whose root never arrives settles all the same, later", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const start = performance.now();
  lab.runs.observe(runId, ended);
  await lab.until(({ state }) => state === "settled");
  expect(performance.now() - start).toBeGreaterThanOrEqual(149);
});

test("a run that nobody ends expires at its deadline", async () => {
  await using lab = await open([scenario({ timeoutMs: -9_900, leases: ["server"] })]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const run = await lab.until(({ state }) => state === "expired");
  expect(run).toMatchObject({ runId, endedAt: expect.any(Number) });
  expect(lab.double.calls).toEqual(["lease server", "unlease server"]);
  await lab.runs.create({ scenario: "db.test" });
});

test("a lease is held by one run at a time, and the other is told by whom", async () => {
  await using lab = await open([
    scenario({ leases: ["metrics"] }),
    scenario({ id: "db.shared", leases: ["metrics"] }),
    scenario({ id: "db.free" }),
  ]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const error = await thrown(() => lab.runs.create({ scenario: "db.shared" }));
  expect(error).toMatchObject({ code: "lease-held", message: expect.stringContaining(runId) });
  await lab.runs.create({ scenario: "db.free" });
  lab.runs.observe(runId, ended);
  await lab.until(({ state }) => state === "settled");
  await lab.runs.create({ scenario: "db.shared" });
});

test("a run that may wait starts as soon as the other lets go", async () => {
  await using lab = await open([scenario(), scenario({ id: "db.alone", leases: ["server"] })]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const waiting = lab.runs.create({ scenario: "db.alone", waitMs: 10_000 });
  lab.runs.observe(runId, ended);
  const next = await waiting;
  expect(lab.runs.get(runId)?.state).toBe("settled");
  expect(lab.runs.get(next.runId)?.state).toBe("driving");
});

test("a run that may wait starts once the service that it needs is back, and not for one that somebody stopped", async () => {
  await using lab = await open([scenario({ needs: ["valkey"] })]);
  lab.double.setRow("valkey", { state: "backing-off" });
  const waiting = lab.runs.create({ scenario: "db.test", waitMs: 10_000 });
  await nextTurn();
  lab.double.setRow("valkey", { state: "starting" });
  await nextTurn();
  lab.double.setRow("valkey", { state: "ready" });
  const { runId } = await waiting;
  lab.runs.observe(runId, ended);
  await lab.until(({ state }) => state === "settled");

  lab.double.setRow("valkey", { state: "stopped" });
  const error = await thrown(() => lab.runs.create({ scenario: "db.test", waitMs: 10_000 }));
  expect(error).toMatchObject({ code: "requirement-missing" });
});

test("a run that may wait starts once another one is no longer driven", async () => {
  await using lab = await open();
  const create = (waitMs: number) => lab.runs.create({ scenario: "db.test", waitMs });
  const driven = await Promise.all(Array.from({ length: drivingLimit }, () => create(0)));
  const waiting = create(10_000);
  lab.runs.observe(driven[0]?.runId ?? "", ended);
  await waiting;
});

test("a run that waited in vain is refused like any other, and one nobody waits for never starts", async () => {
  await using lab = await open([scenario({ leases: ["server"] })]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const late = await thrown(() => lab.runs.create({ scenario: "db.test", waitMs: 20 }));
  expect(late).toMatchObject({ code: "lease-held", message: expect.stringContaining(runId) });
  const gone = new AbortController();
  const left = thrown(() => lab.runs.create({ scenario: "db.test", waitMs: 10_000 }, gone.signal));
  gone.abort();
  expect(await left).toMatchObject({ code: "lease-held" });
  lab.runs.observe(runId, ended);
  await lab.until(({ state }) => state === "settled");
  expect(lab.runs.list({ limit: 10 })).toHaveLength(1);
});

test("nobody starts beside a run that has the app's process for itself", async () => {
  await using lab = await open([scenario({ leases: ["server"] }), scenario({ id: "db.free" })]);
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const error = await thrown(() => lab.runs.create({ scenario: "db.free" }));
  expect(error).toMatchObject({ code: "lease-held", message: expect.stringContaining(runId) });
});

test("restarts count while the run lasts, and it waits until what it broke is back", async () => {
  await using lab = await open([scenario({ leases: ["server"] })]);
  lab.double.setRow("server", { restarts: 3 });
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  expect(lab.double.calls).toEqual(["lease server"]);
  lab.double.setRow("server", { state: "backing-off" });
  lab.runs.observe(runId, { ...ended, answer: { status: 502, durationMs: 3 } });
  lab.store.add({ traceId, runId, spans: [root] });
  await lab.until(({ counts }) => counts.spans === 1);
  lab.double.setRow("server", { state: "starting", restarts: 4 });
  expect(lab.runs.get(runId)).toMatchObject({ state: "settling", restarts: { server: 1 } });
  lab.double.setRow("server", { state: "ready" });
  const run = await lab.until(({ state }) => state === "settled");
  expect(run.restarts).toEqual({ server: 1 });
  expect(lab.double.calls).toEqual(["lease server", "unlease server"]);
  lab.double.setRow("server", { restarts: 5 });
  expect(lab.runs.get(runId)?.restarts).toEqual({ server: 1 });
});

test("a run ended while the store was away settles when the store can be read again", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  const url = lab.double.system.url("store");
  lab.double.setUrl("store", undefined);
  lab.store.dropFeeds();
  lab.runs.observe(runId, ended);
  lab.store.add({ traceId, runId, spans: [root], logs: 1 });
  lab.double.setUrl("store", url);
  const run = await lab.until(({ state }) => state === "settled");
  expect(run.counts).toEqual({ spans: 1, logs: 1, sentry: 0 });
});

test("what a stage saw is kept, by name, the newest wins", async () => {
  await using lab = await open();
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.runs.observe(runId, { driver: "lab-web", page: { fallback: "none", clicks: 1 } });
  const run = lab.runs.observe(runId, { driver: "lab-web", page: { fallback: "shown" } });
  expect(run).toMatchObject({ state: "driving", page: { fallback: "shown", clicks: 1 } });
});

test("observations of unknown and of long gone runs are refused", async () => {
  await using lab = await open(undefined, {
    ...{ quietMs: 5, rootWithinMs: 5, missingWithinMs: 5, tailMs: 5 },
  });
  expect(await thrown(() => lab.runs.observe("0".repeat(26), ended))).toMatchObject({
    code: "unknown-run",
  });
  const { runId } = await lab.runs.create({ scenario: "db.test" });
  lab.runs.observe(runId, ended);
  await lab.until(({ state }) => state === "settled");
  while ((await thrown(() => lab.runs.observe(runId, ended))) === undefined) await nextTurn();
  expect(await thrown(() => lab.runs.observe(runId, ended))).toMatchObject({ code: "run-closed" });
  expect(lab.runs.get(runId)?.state).toBe("settled");
});

test("of a thousand at once as many are driven as may be, and the rest is told so", async () => {
  await using lab = await open();
  const results = await Promise.all(
    Array.from({ length: 1000 }, async () => {
      const error = await thrown(() => lab.runs.create({ scenario: "db.test" }));
      return error === undefined ? "created" : (error as { code: string }).code;
    }),
  );
  expect(results.filter((result) => result === "created")).toHaveLength(drivingLimit);
  expect(results.filter((result) => result === "too-many-runs")).toHaveLength(1000 - drivingLimit);
});
