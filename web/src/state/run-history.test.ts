import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RunRecord } from "#lab/api/runs.ts";
import { Lab } from "./lab.svelte.ts";
import { RunHistory } from "./run-history.svelte.ts";

const run = (at: number, part: Partial<RunRecord> = {}): RunRecord => ({
  ...{ runId: `run-${String(at).padStart(4, "0")}`, scenario: "db.example", mode: "fault" },
  ...{ params: {}, seed: 1, state: "settled", driver: "lab-web", traceIds: [], answer: null },
  ...{ page: {}, counts: { spans: 0, logs: 0, sentry: 0 }, signals: [], restarts: {} },
  ...{ exitCodes: {}, verdict: "pass", checks: [], links: [], startedAt: at, endedAt: at + 1 },
  ...part,
});

let server: Server;
/** Runs that the lab has, newest first. */
let kept: readonly RunRecord[];
let asked: string[];
let failing: boolean;
let lab: Lab;

beforeEach(async () => {
  asked = [];
  failing = false;
  lab = new Lab();
  server = createServer(({ url = "" }, response) => {
    asked.push(url);
    const { searchParams } = new URL(url, "http://lab");
    const before = searchParams.get("before") ?? "~";
    const verdict = searchParams.get("verdict");
    const meant = kept.filter((one) => verdict === null || one.verdict === verdict);
    const runs = meant.filter(({ runId }) => runId < before).slice(0, 100);
    if (failing) response.writeHead(503);
    response.end(JSON.stringify({ runs, total: meant.length }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const own = globalThis.fetch;
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => own(origin + path, init));
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  vi.unstubAllGlobals();
});

/** The lab as it is after its first reading: it knows the newest hundred. */
function know(runs: readonly RunRecord[]) {
  kept = runs;
  for (const one of runs.slice(0, 100)) lab.runs.set(one.runId, one);
  lab.runsRead = {
    from: runs[Math.min(runs.length, 100) - 1]?.runId ?? "",
    newest: runs[0]?.runId ?? "",
    total: runs.length,
  };
}
const newestFirst = (n: number, part: (at: number) => Partial<RunRecord> = () => ({})) =>
  Array.from({ length: n }, (_, index) => run(n - index, part(n - index)));

test("older runs are read page by page, to the end and no further", async () => {
  know(newestFirst(250));
  const history = new RunHistory(lab, {});
  expect([history.shown.length, history.total]).toEqual([100, 250]);
  await history.readOn();
  expect([history.shown.length, history.total, history.complete]).toEqual([200, 250, false]);
  await history.readOn();
  expect([history.shown.length, history.total, history.complete]).toEqual([250, 250, true]);
  await history.readOn();
  expect(asked).toHaveLength(2);
});

test("a filter is asked of the lab, also beyond what is known", async () => {
  know(newestFirst(250, (at) => (at % 50 === 0 ? { verdict: "fail" } : {})));
  const history = new RunHistory(lab, { verdict: "fail" });
  expect(history.shown.map(({ startedAt }) => startedAt)).toEqual([250, 200]);
  expect(history.total).toBeUndefined();
  await history.readOn();
  expect(history.shown.map(({ startedAt }) => startedAt)).toEqual([250, 200, 150, 100, 50]);
  expect(history.complete).toBe(true);
});

test("a run from farther back that somebody looked at stands in no list before its time", async () => {
  know(newestFirst(150));
  const old = run(3);
  lab.runs.set(old.runId, old);
  const history = new RunHistory(lab, {});
  expect(history.shown).toHaveLength(100);
  await history.readOn();
  expect(history.shown).toHaveLength(150);
});

test("a new run is listed and counted without being asked for", async () => {
  know(newestFirst(250));
  const history = new RunHistory(lab, {});
  await history.readOn();
  const next = run(251);
  lab.runs.set(next.runId, next);
  expect(history.shown[0]?.runId).toBe(next.runId);
  expect(history.total).toBe(251);
});

test("what failed can be asked for again", async () => {
  know(newestFirst(150));
  const history = new RunHistory(lab, {});
  failing = true;
  await history.readOn();
  expect(history.trouble).toMatchObject({ hint: expect.any(String) });
  failing = false;
  await history.readOn();
  expect([history.trouble, history.complete]).toEqual([undefined, true]);
});
