import { expect, test } from "vitest";
import type { AgreeExpectation } from "#scenarios/expectation.ts";
import type { Evidence } from "./evidence.ts";
import { evidenceOf, log, metricEvidence, reading, sentryItem, span } from "./factories.ts";
import { judge } from "./judge.ts";

const why = { why: "it matters", hint: "look there" };
const of: AgreeExpectation["of"] = [
  { spans: { name: "GET" } },
  { metric: { name: "hits_total", labels: { outcome: "hit" } } },
  { logs: { body: "hit" } },
  { sentry: { item: "event" } },
];
const counted = (value: number) =>
  reading(
    "# TYPE hits counter",
    `hits_total{outcome="hit"} ${value}`,
    'hits_total{outcome="no"} 9',
  );
const twoOfEach: Partial<Evidence> & { spans: ReturnType<typeof span>[] } = {
  spans: [span({ name: "GET" }), span({ name: "GET" }), span({ name: "SET" })],
  metrics: metricEvidence(counted(5), counted(7)),
  logs: [log({ body: "hit" }), log({ body: "hit" })],
  sentry: [sentryItem(), sentryItem()],
};
const judged = (evidence: Parameters<typeof evidenceOf>[0], within?: number) =>
  judge(
    [{ signal: "agree", of, ...(within === undefined ? {} : { within }), ...why }],
    evidenceOf(evidence),
  )[0];

test("signals that tell the same number agree, and each number is named", () => {
  expect(judged(twoOfEach)).toMatchObject({
    verdict: "pass",
    seen: '2 spans "GET", 2 the change of hits_total {outcome = hit}, 2 log lines "hit", 2 Sentry events',
  });
});

test.each<[string, Partial<typeof twoOfEach>]>([
  ["spans", { spans: [span({ name: "GET" })] }],
  ["metric", { metrics: metricEvidence(counted(5), counted(8)) }],
  ["logs", { logs: [log({ body: "hit" })] }],
  ["Sentry", { sentry: [sentryItem()] }],
])("one that tells another number fails: %s", (_, other) => {
  expect(judged({ ...twoOfEach, ...other })?.verdict).toBe("fail");
  expect(judged({ ...twoOfEach, ...other }, 1)?.verdict).toBe("pass");
});

test("a metric that nobody exposes agrees with nothing", () => {
  const none = { ...twoOfEach, metrics: metricEvidence(reading("up 1"), reading("up 1")) };
  expect(judged(none, 100)).toMatchObject({
    verdict: "fail",
    seen: expect.stringContaining("no the change"),
  });
});

test("nothing is said before the run has settled, or without a source", () => {
  expect(judged({ ...twoOfEach, settled: false })?.verdict).toBe("pending");
  const sources = { traces: "ok", logs: "ok", sentry: "unreachable", metrics: "ok" } as const;
  expect(judged({ ...twoOfEach, sources })?.verdict).toBe("inconclusive");
});
