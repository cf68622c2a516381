import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { evidenceOf } from "../judge/factories.ts";
import { type KeptRun, openRecords, recordLimit } from "./records.ts";
import { runIdMint } from "./run-id.ts";
import type { RunsWanted } from "./run-list.ts";

let dir: string;
let notices: string[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-records-"));
  notices = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const open = () => openRecords(dir, (text) => notices.push(text));
const mint = runIdMint();
const record = (part: Partial<KeptRun> = {}): KeptRun => ({
  ...{ runId: mint(), scenario: "db.test", mode: "fault", params: { n: 5 }, seed: 1 },
  ...{ state: "settled", driver: "lab-web", startedAt: 1, endedAt: 2, traceIds: [] },
  ...{ answer: null, page: {}, counts: { spans: 0, logs: 0, sentry: 0 }, signals: [] },
  ...{ restarts: {}, exitCodes: {}, verdict: "declared", checks: [] },
  ...part,
});

test("records are there after a restart, newest first, by scenario", () => {
  const saved = [record(), record({ scenario: "db.other" }), record()];
  const first = open();
  for (const one of saved) first.save(one);
  first.close();

  const again = open();
  expect(again.list({ limit: 10 })).toEqual(saved.toReversed());
  expect(again.list({ scenario: "db.test", limit: 1 })).toEqual([saved[2]]);
  expect(again.get(saved[0]?.runId ?? "")).toEqual(saved[0]);
  expect(again.get("nothing")).toBeUndefined();
  expect(notices).toEqual([]);
  again.close();
});

test("runs are read page by page, and by what they are", () => {
  const trace = "0af7651916cd43dd8448eb211c80319c";
  const failed = record({ verdict: "fail", traceIds: [trace] });
  const fix = record({ mode: "fix", verdict: "pass", scenario: "cache.stampede" });
  const saved = [failed, fix, record({ verdict: "inconclusive" }), record({ verdict: "pass" })];
  const records = open();
  for (const one of saved) records.save(one);
  const ids = (by: Partial<RunsWanted>) =>
    records
      .list({ limit: 10, ...by })
      .map(({ runId }) => saved.findIndex((one) => one.runId === runId));
  expect(ids({ limit: 2 })).toEqual([3, 2]);
  expect(ids({ limit: 2, before: saved[2]?.runId ?? "" })).toEqual([1, 0]);
  expect(ids({ verdict: "pass" })).toEqual([3, 1]);
  expect(ids({ verdict: "pass", mode: "fix" })).toEqual([1]);
  expect(ids({ verdict: "other" })).toEqual([2]);
  expect(ids({ q: " STAMP" })).toEqual([1]);
  expect(ids({ q: trace.slice(4, 20) })).toEqual([0]);
  expect(ids({ q: fix.runId })).toEqual([1]);
  expect(ids({ q: "50%_" })).toEqual([]);
  expect([records.count({}), records.count({ verdict: "fail" })]).toEqual([4, 1]);
  records.close();
});

test("the evidence of a run is there after a restart", () => {
  const { runId } = record();
  const first = open();
  first.evidence.save(runId, evidenceOf({ runId }));
  first.close();
  const again = open();
  expect(JSON.parse(again.evidence.get(runId) ?? "")).toEqual(evidenceOf({ runId }));
  again.close();
});

test("a run that a killed lab left driving is closed as expired", () => {
  const driving = record({ state: "driving", endedAt: null });
  const settling = record({ state: "settling", endedAt: 7 });
  const first = open();
  first.save(driving);
  first.save(settling);
  first.close();
  const again = open();
  expect(again.get(driving.runId)).toMatchObject({ state: "expired", endedAt: expect.any(Number) });
  expect(again.get(settling.runId)).toMatchObject({ state: "expired", endedAt: 7 });
  again.close();
});

test("only the newest are kept", () => {
  const records = open();
  const saved = Array.from({ length: recordLimit + 3 }, () => record());
  for (const one of saved) records.save(one);
  const kept = records.list({ limit: recordLimit * 2 });
  expect(kept).toHaveLength(recordLimit);
  expect(kept.at(-1)?.runId).toBe(saved[3]?.runId);
  records.close();
});

test.each([
  ["text", Buffer.from("this is not a database, and it is longer than a header".repeat(50))],
  ["noise", randomBytes(8192)],
])("a file of %s is set aside, said so, and history starts anew", async (_what, content) => {
  await writeFile(join(dir, "runs.db"), content);
  const records = open();
  records.save(record());
  expect(records.list({ limit: 10 })).toHaveLength(1);
  records.close();
  expect(notices).toEqual([expect.stringContaining("runs.db.bad-")]);
  expect(await readdir(dir)).toContainEqual(expect.stringMatching(/^runs\.db\.bad-\d+$/));
});

test("a file of a newer lab is set aside whole", async () => {
  const newer = new DatabaseSync(join(dir, "runs.db"));
  newer.exec("CREATE TABLE runs (other TEXT); PRAGMA user_version = 99");
  newer.close();
  const records = open();
  expect(records.list({ limit: 10 })).toEqual([]);
  records.close();
  expect(notices[0]).toContain("newer lab");
  const aside = (await readdir(dir)).find((name) => name.includes(".bad-")) ?? "";
  const kept = new DatabaseSync(join(dir, aside));
  expect(kept.prepare("PRAGMA user_version").get()).toEqual({ user_version: 99 });
  kept.close();
});

test("a damaged page inside a real file is found at the start", async () => {
  const first = open();
  for (let i = 0; i < 200; i += 1) first.save(record());
  first.close();
  const bytes = await readFile(join(dir, "runs.db"));
  bytes.fill(0xff, 4096, 4096 * 4);
  await writeFile(join(dir, "runs.db"), bytes);
  const again = open();
  expect(again.list({ limit: 10 })).toEqual([]);
  again.close();
  expect(notices).toHaveLength(1);
});

test("an empty file is a new history", async () => {
  await writeFile(join(dir, "runs.db"), "");
  const records = open();
  records.save(record());
  records.close();
  expect(notices).toEqual([]);
});

test("where no file can be made, history lasts as long as the lab", async () => {
  await rm(dir, { recursive: true });
  const records = open();
  const one = record();
  records.save(one);
  expect(records.list({ limit: 10 })).toEqual([one]);
  records.close();
  expect(notices).toEqual([expect.stringContaining("until the lab stops")]);
});

test("a write that fails is told once, and the lab goes on", async () => {
  const records = open();
  const other = new DatabaseSync(join(dir, "runs.db"));
  other.exec("DROP TABLE runs");
  records.save(record());
  records.save(record());
  expect(notices).toEqual([expect.stringContaining("cannot be recorded")]);
  other.close();
  records.close();
});

test("a record of an earlier lab, without what was added since, is read as one of today", () => {
  const { exitCodes: _, ...older } = record({ verdict: "declared" });
  const first = open();
  const links = [{ label: "Trace in Grafana", href: "http://127.0.0.1:20001/explore" }];
  first.save({ ...older, links } as unknown as KeptRun);
  first.close();
  const again = open();
  expect(again.get(older.runId)).toEqual({ ...older, exitCodes: {} });
  expect(again.list({ limit: 1 })).toEqual([{ ...older, exitCodes: {} }]);
  again.close();
});

test("a run that its lab did not live to judge is inconclusive, not pending for ever", () => {
  const left = record({
    ...{ state: "settling", verdict: "pending" },
    checks: [
      { index: 0, title: "one", signal: "span", state: "pass", why: "", hint: "" },
      { index: 1, title: "none", signal: "span", state: "pending", why: "", hint: "" },
    ],
  });
  const first = open();
  first.save(left);
  first.close();
  const again = open();
  const closed = again.get(left.runId);
  expect(closed).toMatchObject({ state: "expired", verdict: "inconclusive" });
  expect(closed?.checks.map(({ state }) => state)).toEqual(["pass", "inconclusive"]);
  again.close();
});
