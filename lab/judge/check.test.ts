import { expect, test } from "vitest";
import type { CheckExpectation } from "#scenarios/expectation.ts";
import { evidenceOf, log, metricEvidence, reading, span, spanIdOf } from "./factories.ts";
import { judge } from "./judge.ts";

const judged = (
  check: CheckExpectation["check"],
  evidence: Parameters<typeof evidenceOf>[0] = {},
  more: object = {},
) =>
  judge(
    [
      {
        signal: "check",
        title: "it holds",
        why: "w",
        hint: "h",
        ...(check ? { check } : {}),
        ...more,
      },
    ],
    evidenceOf(evidence),
  )[0];

test("a check sees the run's own spans, logs and metrics in plain form", () => {
  const counted = (value: number) => reading("# TYPE a counter", `a_total{k="x"} ${value}`);
  const found = judged(
    ({ spans, logs, metric, params, answer }) => ({
      ok: true,
      seen: JSON.stringify([
        spans,
        logs.length,
        metric("a_total", { k: "x" }),
        metric("b"),
        params,
        answer,
      ]),
    }),
    {
      spans: [
        span({ id: 1, name: "a", startMs: 5 }),
        span({ id: 2, parent: 1, name: "b", startMs: 7, durationMs: 3, attributes: { n: 2 } }),
      ],
      logs: [log(), log({ trace: 9 })],
      metrics: metricEvidence(counted(2), counted(4), counted(3)),
      params: { n: 2 },
    },
  );
  const [spans, logs, metric, none, params, answer] = JSON.parse(found?.seen ?? "[]");
  expect(spans[1]).toMatchObject({
    name: "b",
    parentSpanId: spanIdOf(1),
    startMs: 2,
    durationMs: 3,
    attributes: { n: 2 },
  });
  expect(logs).toBe(1);
  expect(metric).toEqual({
    before: 2,
    after: 3,
    change: expect.any(Number),
    highest: 4,
    lowest: 3,
  });
  expect([none, params, answer]).toEqual([null, { n: 2 }, { status: 200, durationMs: 10 }]);
});

test("its answer is the verdict, once the run has settled", () => {
  expect(judged(() => ({ ok: true, seen: "fine" }))).toMatchObject({
    verdict: "pass",
    seen: "fine",
  });
  expect(judged(() => ({ ok: false, seen: "bad" }))?.verdict).toBe("fail");
  expect(judged(() => ({ ok: true, seen: "fine" }), { settled: false })?.verdict).toBe("pending");
});

test("what it throws is a failure that says so", () => {
  const thrown = judged(() => {
    throw new Error("no such span");
  });
  expect(thrown).toMatchObject({ verdict: "fail", seen: "the check threw: no such span" });
});

test("without its function nothing is known", () => {
  expect(judged(undefined)?.verdict).toBe("inconclusive");
});

test("a source that it reads and that is away leaves it open", () => {
  const sources = { traces: "ok", logs: "ok", sentry: "ok", metrics: "absent" } as const;
  const reads = { reads: ["metrics"] };
  expect(judged(() => ({ ok: true, seen: "" }), { sources }, reads)?.verdict).toBe(
    "not-applicable",
  );
});
