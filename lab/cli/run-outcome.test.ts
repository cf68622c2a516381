import { expect, test } from "vitest";
import type { OtlpTrace, RunRecord } from "#lab/api.ts";
import type { AnswerExpectation } from "#scenarios/define.ts";
import { outcomeOf } from "./run-outcome.ts";

const settled = {
  runId: "0mwry9lcy000wu6xxfdmeym5l9",
  scenario: "db.n-plus-one",
  mode: "fault",
  params: {},
  seed: 1,
  state: "settled",
  driver: "lab-cli",
  startedAt: 0,
  endedAt: 90,
  traceIds: [],
  answer: { status: 200, durationMs: 12 },
  page: {},
  counts: { spans: 2, logs: 0, sentry: 0 },
  signals: [],
  restarts: {},
  exitCodes: {},
  verdict: "declared",
  checks: [],
  links: [],
} as const;
const record = (changes: Partial<RunRecord> = {}): RunRecord => ({ ...settled, ...changes });
const traceOf = (...services: string[]): OtlpTrace => ({
  resourceSpans: services.map((name) => ({
    resource: { attributes: [{ key: "service.name", value: { stringValue: name } }] },
    scopeSpans: [],
  })),
});
const whole = traceOf("lab-cli", "lab-server");
const answers = (status: AnswerExpectation["status"] & {}): AnswerExpectation => ({
  signal: "answer",
  status,
  why: "",
  hint: "",
});
const served = (...expect: AnswerExpectation[]) => ({ expect, serve: async () => undefined });
const exitCode = (...args: Parameters<typeof outcomeOf>) => outcomeOf(...args).exitCode;

test("driven as meant, settled, and a trace of driver and server: pass", () => {
  expect(exitCode(record(), whole, served())).toBe(0);
});

test("a missing part of the trace is inconclusive and named", () => {
  expect(outcomeOf(record(), traceOf("lab-cli"), served())).toEqual({
    exitCode: 2,
    words: "No span of lab-server arrived in time.",
  });
  expect(exitCode(record(), undefined, served())).toBe(2);
});

test("a run that ran out of time is inconclusive", () => {
  expect(exitCode(record({ state: "expired" }), whole, served())).toBe(2);
});

test("an error answer fails the run unless the scenario declares it for this mode", () => {
  const failed = record({ answer: { status: 500, durationMs: 3 } });
  expect(exitCode(failed, whole, served())).toBe(1);
  expect(exitCode(failed, whole, served(answers(500)))).toBe(0);
  expect(exitCode(failed, whole, served(answers({ gte: 500, lt: 600 })))).toBe(0);
  expect(exitCode({ ...failed, mode: "control" }, whole, served(answers(500)))).toBe(1);
});

test("a broken connection is meant where the scenario declares status 0", () => {
  const broken = record({ answer: { status: 0, durationMs: 3, error: "socket hang up" } });
  expect(outcomeOf(broken, whole, served()).words).toContain("socket hang up");
  expect(exitCode(broken, whole, served(answers(0)))).toBe(0);
});

test("an answer other than the declared one fails the run", () => {
  expect(exitCode(record(), whole, served(answers(500)))).toBe(1);
  expect(exitCode(record({ answer: null }), whole, served())).toBe(1);
});

test("once a run is judged, only its verdict counts", () => {
  expect(exitCode(record({ verdict: "pass" }), undefined, served())).toBe(0);
  expect(exitCode(record({ verdict: "fail" }), whole, served())).toBe(1);
  expect(exitCode(record({ verdict: "inconclusive" }), whole, served())).toBe(2);
  expect(exitCode(record({ verdict: "pending" }), whole, served())).toBe(2);
});

test("what happens in the page alone needs neither an answer nor a span of the server", () => {
  const inPage = record({ driver: "lab-web", answer: null });
  expect(exitCode(inPage, traceOf("lab-web"), { expect: [] })).toBe(0);
  expect(exitCode(inPage, traceOf("lab-cli"), { expect: [] })).toBe(2);
});
