import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Verdict } from "#lab/api/checks.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import { evidence, expectation, spans } from "./arbitraries.ts";
import type { Evidence } from "./evidence.ts";
import { evidenceOf, log, ofRun, otherRunId, sentryItem, span, traceOf } from "./factories.ts";
import { judge } from "./judge.ts";

const verdictOf = (expected: Expectation, given: Evidence): Verdict =>
  judge([expected], given)[0]?.verdict ?? "not-applicable";

/** A change of the evidence that must not change any verdict. */
function harmless(change: (given: Evidence, seed: number) => Evidence): void {
  fc.assert(
    fc.property(expectation, evidence, fc.boolean(), fc.nat(), (expected, full, settled, seed) => {
      const given = { ...full, settled };
      expect(verdictOf(expected, change(given, seed))).toBe(verdictOf(expected, given));
    }),
    { numRuns: 400 },
  );
}

const shuffled = <T>(items: readonly T[], seed: number): readonly T[] =>
  items
    .map((item, index) => ({
      item,
      key: createHash("md5").update(`${seed}:${index}`).digest("hex"),
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ item }) => item);

const rewritten = (given: Evidence, pattern: RegExp, write: (text: string) => string): Evidence =>
  JSON.parse(JSON.stringify(given).replace(pattern, (_, text: string) => `"${write(text)}"`));

test("the order of arrival does not change a verdict", () => {
  harmless((given, seed) => ({
    ...given,
    traces: [{ resourceSpans: shuffled(given.traces, seed).flatMap((it) => it.resourceSpans) }],
    logs: shuffled(given.logs, seed),
    sentry: shuffled(given.sentry, seed),
  }));
});

test("evidence that arrives twice does not change a verdict", () => {
  harmless((given) => ({
    ...given,
    traces: [...given.traces, ...given.traces],
    logs: [...given.logs, ...given.logs],
    sentry: [...given.sentry, ...given.sentry],
  }));
});

test("other ids do not change a verdict", () => {
  harmless((given, seed) =>
    rewritten(given, /"([0-9a-f]{32}|[0-9a-f]{16})"/g, (id) =>
      createHash("sha256").update(`${seed}${id}`).digest("hex").slice(0, id.length),
    ),
  );
});

test("another time of day does not change a verdict", () => {
  harmless((given, seed) =>
    rewritten(given, /"(1[78]\d{17})"/g, (ns) => String(BigInt(ns) + BigInt(seed) * 1_000_003n)),
  );
});

test("traces of others do not change a verdict", () => {
  harmless((given) => ({
    ...given,
    traces: [
      traceOf([
        span({ trace: 50, name: "a", status: 2, attributes: ofRun(otherRunId) }),
        span({ trace: 51, name: "b", parent: "gone" }),
      ]),
      ...given.traces,
    ],
    logs: [log({ trace: 51, body: "a" }), log({ trace: null, body: "b" }), ...given.logs],
    sentry: [sentryItem({ trace: 50 }), sentryItem({ trace: null }), ...given.sentry],
  }));
});

/** The evidence as it was when only a part had arrived. */
const partOf = (full: Evidence, share: number): Evidence => {
  const some = <T>(items: readonly T[]) => items.slice(0, Math.floor(items.length * share));
  const { metrics } = full;
  return {
    ...full,
    settled: false,
    traces: some(full.traces),
    logs: some(full.logs),
    sentry: some(full.sentry),
    metrics: metrics && {
      ...metrics,
      during: some(metrics.during),
      latest: metrics.during[0] ?? null,
    },
    restarts: share < 0.5 ? {} : full.restarts,
    exitCodes: share < 0.5 ? {} : full.exitCodes,
    answer: share < 0.5 ? null : full.answer,
  };
};

test("what is said before the run has settled is never taken back", () => {
  const decided = new Map<Verdict, number>();
  fc.assert(
    fc.property(expectation, evidence, (expected, full) => {
      const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => partOf(full, share));
      const verdicts = [...steps, full].map((given) => verdictOf(expected, given));
      const first = verdicts.find((verdict) => verdict === "pass" || verdict === "fail");
      if (first === undefined) return;
      decided.set(first, (decided.get(first) ?? 0) + 1);
      expect(verdicts.slice(verdicts.indexOf(first))).toEqual(
        verdicts.slice(verdicts.indexOf(first)).map(() => first),
      );
    }),
    { numRuns: 800 },
  );
  // Both kinds of early answers came up, or the property would say nothing.
  expect(decided.get("pass")).toBeGreaterThan(50);
  expect(decided.get("fail")).toBeGreaterThan(50);
});

test("nothing is pending once the run has settled, and only a pass has no finding", () => {
  fc.assert(
    fc.property(expectation, evidence, (expected, given) => {
      const [found] = judge([expected], given);
      expect(found?.verdict).not.toBe("pending");
      expect(found?.seen).not.toBe("");
      expect(found?.query.text).not.toBe("");
      if (found?.verdict === "pass") expect(found.nearest).toBeNull();
    }),
    { numRuns: 300 },
  );
});

test("what holds for every one of no spans fails", () => {
  fc.assert(
    fc.property(expectation, spans, (other, made) => {
      const every = other.signal === "span" ? (other.every ?? {}) : {};
      const none: Expectation = {
        signal: "span",
        select: { name: "never made" },
        count: { gte: 0 },
        every,
        why: "w",
        hint: "h",
      };
      expect(verdictOf(none, evidenceOf({ spans: made }))).toBe("fail");
    }),
    { numRuns: 300 },
  );
});

test("10,000 random pairs are judged without an exception, each within 50 ms", () => {
  const expectations = fc.sample(expectation, 1000);
  const evidences = fc.sample(evidence, 1000);
  const seen = new Map<Verdict, number>();
  let slowestMs = 0;
  for (let pair = 0; pair < 10_000; pair++) {
    const expected = expectations[pair % 1000] as Expectation;
    const given = evidences[(pair * 7 + Math.floor(pair / 1000)) % 1000] as Evidence;
    // Time of this thread: other processes on the machine are not the judge's fault.
    const before = process.threadCpuUsage();
    const verdict = verdictOf(expected, { ...given, settled: pair % 3 > 0 });
    const { user, system } = process.threadCpuUsage(before);
    slowestMs = Math.max(slowestMs, (user + system) / 1000);
    seen.set(verdict, (seen.get(verdict) ?? 0) + 1);
  }
  expect([...seen.keys()].sort()).toEqual(["fail", "inconclusive", "pass", "pending"]);
  expect(seen.get("pass")).toBeGreaterThan(500);
  expect(slowestMs).toBeLessThan(50);
}, 60_000);
