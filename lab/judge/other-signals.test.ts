import { expect, test } from "vitest";
import type { Verdict } from "#lab/api/checks.ts";
import {
  evidenceOf,
  log,
  metricEvidence,
  ofRun,
  reading,
  runId,
  sentryItem,
  traceIdOf,
} from "./factories.ts";
import { type BareExpectation, check, running, settled, verdictOf } from "./one-expectation.ts";

const counted = (value: number, started = 1, state = "ok") =>
  reading(
    "# TYPE process_start_time_seconds gauge",
    `process_start_time_seconds ${started}`,
    "# TYPE requests counter",
    `requests_total{state="${state}",code="200"} ${value} # {trace_id="${traceIdOf(0)}"} 1`,
    "# TYPE never_used counter",
    "# TYPE pool gauge",
    `pool ${value}`,
  );

test.each<[Verdict, string, BareExpectation]>([
  ["pass", "delta", { signal: "metric", name: "requests_total", delta: 3 }],
  ["fail", "other delta", { signal: "metric", name: "requests_total", delta: { gte: 4 } }],
  ["pass", "label", { signal: "metric", name: "requests_total", labels: { code: 200 }, delta: 3 }],
  ["fail", "label", { signal: "metric", name: "requests_total", labels: { code: 500 }, delta: 3 }],
  ["pass", "no sample yet", { signal: "metric", name: "never_used_total", delta: 0 }],
  ["fail", "misspelt name", { signal: "metric", name: "reqests_total", delta: 0 }],
  ["pass", "peak", { signal: "metric", name: "pool", max: 9 }],
  ["fail", "return", { signal: "metric", name: "pool", returnsTo: "baseline" }],
  ["pass", "exemplar", { signal: "metric", name: "requests_total", exemplar: true }],
  ["fail", "no exemplar", { signal: "metric", name: "pool", exemplar: true }],
])("a metric gives %s by %s", (verdict, _, expectation) => {
  const metrics = metricEvidence(counted(5), counted(9), counted(8));
  const rising = metricEvidence(counted(5), counted(6), counted(8));
  const evidence = evidenceOf({ metrics: "max" in expectation ? metrics : rising });
  expect(verdictOf(expectation, evidence)).toBe(verdict);
});

test("a counter that restarted with its process counts from 0", () => {
  const metrics = metricEvidence(counted(5, 1), counted(7, 1), counted(1, 2));
  expect(
    verdictOf({ signal: "metric", name: "requests_total", delta: 3 }, evidenceOf({ metrics })),
  ).toBe("pass");
});

test("a gauge may fall again, so its change waits for the end; a counter's does not", () => {
  const metrics = metricEvidence(counted(5), counted(9));
  const delta = { gte: 3 };
  const early = evidenceOf({ metrics, settled: false });
  expect(verdictOf({ signal: "metric", name: "pool", delta }, early)).toBe("pending");
  expect(verdictOf({ signal: "metric", name: "requests_total", delta }, early)).toBe("pass");
});

test("a peak from before the run is not the run's", () => {
  const evidence = evidenceOf({ metrics: metricEvidence(counted(9), counted(4), counted(5)) });
  expect(verdictOf({ signal: "metric", name: "pool", max: 5 }, evidence)).toBe("pass");
});

test("without a reading from before the run a metric is inconclusive", () => {
  const expectation: BareExpectation = { signal: "metric", name: "pool", delta: 0 };
  const metrics = { baseline: null, during: [], latest: counted(1) };
  expect(verdictOf(expectation, evidenceOf({ metrics }))).toBe("inconclusive");
  expect(verdictOf(expectation, evidenceOf({ metrics, settled: false }))).toBe("pending");
});

test.each<[Verdict, BareExpectation]>([
  ["pass", { signal: "log", severity: "warn", body: "slow query", count: 1 }],
  ["pass", { signal: "log", attributes: { ms: { gt: 100 } }, count: 1, correlated: true }],
  ["fail", { signal: "log", body: "uncorrelated", correlated: true }],
  ["pass", { signal: "log", body: "uncorrelated", count: 1 }],
  ["fail", { signal: "log", body: "half correlated", correlated: true }],
  ["fail", { signal: "log", severity: "error" }],
  ["fail", { signal: "log", service: "lab-web" }],
])("log lines: %s for %o", (verdict, expectation) => {
  const logs = [
    log({ severity: "warn", body: "slow query", span: 1, attributes: { ms: 120 } }),
    log({ body: "uncorrelated", trace: null, attributes: ofRun() }),
    log({ body: "half correlated", span: "unknown" }),
    log({ body: "slow query", severity: "warn", trace: 9, span: 1 }),
  ];
  expect(verdictOf(expectation, { ...settled, logs })).toBe(verdict);
});

test("a line or an item that is read twice counts once", () => {
  const logs = [log({ span: 1 })];
  const sentry = [sentryItem()];
  const twice = { ...settled, logs: [...logs, ...logs], sentry: [...sentry, ...sentry] };
  expect(verdictOf({ signal: "log", count: 1 }, twice)).toBe("pass");
  expect(verdictOf({ signal: "sentry", item: "event", count: 1 }, twice)).toBe("pass");
});

test.each<[Verdict, BareExpectation]>([
  ["pass", { signal: "sentry", item: "event", count: 2 }],
  ["pass", { signal: "sentry", item: "event", level: "fatal", handled: false, count: 1 }],
  ["pass", { signal: "sentry", item: "event", sameTrace: true, count: 1 }],
  ["pass", { signal: "sentry", item: "event", mechanism: "chained", count: 1 }],
  ["fail", { signal: "sentry", item: "event", mechanism: "chained", sameTrace: true }],
  ["pass", { signal: "sentry", item: "event", exception: { type: "TypeError", message: "x" } }],
  ["fail", { signal: "sentry", item: "event", exception: { type: "CauseError" } }],
  ["fail", { signal: "sentry", item: "event", service: "lab-web" }],
  ["pass", { signal: "sentry", item: "event", service: "lab-server", count: 2 }],
  ["pass", { signal: "sentry", item: "transaction", name: "GET /api/orders", count: 1 }],
  ["pass", { signal: "sentry", item: "log", name: "hello", count: 1 }],
  ["fail", { signal: "sentry", item: "log", count: 0 }],
])("Sentry items: %s for %o", (verdict, expectation) => {
  const chained = {
    exception: {
      values: [
        { type: "CauseError" },
        { type: "TypeError", value: "x", mechanism: { type: "chained", handled: true } },
      ],
    },
    tags: { "lab.run.id": runId },
  };
  const sentry = [
    sentryItem({ level: "fatal", mechanism: "generic", handled: false }),
    sentryItem({ trace: null, payload: chained }),
    sentryItem({ trace: 4 }),
    sentryItem({ kind: "transaction", payload: { transaction: "GET /api/orders" } }),
    sentryItem({ kind: "log", payload: { body: "hello" } }),
    sentryItem({ kind: "session" }),
  ];
  expect(verdictOf(expectation, { ...settled, sentry })).toBe(verdict);
});

test("the driver's answer decides at once, and its silence is inconclusive at the end", () => {
  const broken = { ...running, answer: { status: 0, durationMs: 5, error: "reset" } };
  expect(verdictOf({ signal: "answer", status: 0 }, broken)).toBe("pass");
  expect(verdictOf({ signal: "answer", status: 200 }, broken)).toBe("fail");
  expect(verdictOf({ signal: "answer", durationMs: { lt: 5 } }, broken)).toBe("fail");
  expect(verdictOf({ signal: "answer", status: 200 }, { ...running, answer: null })).toBe(
    "pending",
  );
  expect(verdictOf({ signal: "answer", status: 200 }, { ...settled, answer: null })).toBe(
    "inconclusive",
  );
});

test("the page has to report what is expected of it", () => {
  const expectation: BareExpectation = { signal: "page", observation: "fallback", value: true };
  expect(verdictOf(expectation, { ...settled, page: { fallback: true } })).toBe("pass");
  expect(verdictOf(expectation, { ...settled, page: { fallback: false } })).toBe("fail");
  expect(check(expectation, { ...settled, page: { other: 1 } })).toMatchObject({
    verdict: "fail",
    seen: "the page did not report it, only: other",
  });
});

test("restarts are counted and every exit code is looked at", () => {
  const crashed = { ...settled, restarts: { server: 1 }, exitCodes: { server: [70] } };
  const crash = { signal: "component", component: "server", restarts: 1, exitCode: 70 } as const;
  expect(verdictOf(crash, crashed)).toBe("pass");
  expect(verdictOf(crash, { ...crashed, exitCodes: { server: [70, 137] } })).toBe("fail");
  expect(verdictOf(crash, settled)).toBe("fail");
  expect(
    verdictOf({ signal: "component", component: "server", exitCode: { exists: false } }, settled),
  ).toBe("pass");
  expect(verdictOf({ ...crash, restarts: 0 }, { ...crashed, settled: false })).toBe("fail");
});
