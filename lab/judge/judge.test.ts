import { expect, test } from "vitest";
import type { Verdict } from "#lab/api/checks.ts";
import type { Evidence } from "./evidence.ts";
import { evidenceOf, log, ofRun, otherRunId, runId, span, spanIdOf } from "./factories.ts";
import { worst } from "./finding.ts";
import { judge } from "./judge.ts";
import {
  type BareExpectation,
  check,
  reasoned,
  running,
  settled,
  verdictOf,
} from "./one-expectation.ts";

test.each<[Verdict, string, BareExpectation]>([
  ["pass", "name", { signal: "span", select: { name: "SELECT orders" } }],
  ["fail", "no such name", { signal: "span", select: { name: "SELECT items" } }],
  ["pass", "name by parameter", { signal: "span", select: { name: "${params.name}" } }],
  ["pass", "kind", { signal: "span", select: { kind: "client" }, count: 3 }],
  ["pass", "status", { signal: "span", select: { status: "error" }, count: 1 }],
  ["pass", "service", { signal: "span", select: { service: "lab-server" }, count: 4 }],
  ["pass", "attribute", { signal: "span", select: { attributes: { rows: { gte: 2 } } }, count: 1 }],
  ["fail", "type of it", { signal: "span", select: { attributes: { rows: "1" } } }],
  [
    "pass",
    "attribute absent",
    {
      signal: "span",
      select: { kind: "client", attributes: { rows: { exists: false } } },
      count: 1,
    },
  ],
  [
    "pass",
    "duration",
    { signal: "span", select: { durationMs: { gte: "2*${params.ms}" } }, count: 2 },
  ],
  ["pass", "self time", { signal: "span", select: { selfTimeMs: { gte: 79, lte: 81 } }, count: 1 }],
  [
    "pass",
    "exception",
    { signal: "span", select: { exception: { type: "PostgresError" } }, count: 1 },
  ],
  ["fail", "other exception", { signal: "span", select: { exception: { message: "x" } } }],
  ["pass", "child", { signal: "span", select: { childOf: { name: "scenario" } }, count: 2 }],
  [
    "pass",
    "descendant",
    { signal: "span", select: { descendantOf: { name: "scenario" } }, count: 3 },
  ],
  ["pass", "no parent", { signal: "span", select: { noParent: true }, count: 1 }],
  [
    "pass",
    "exact count",
    { signal: "span", select: { name: "SELECT orders" }, count: "${params.n}" },
  ],
  ["fail", "too many", { signal: "span", select: { name: "SELECT orders" }, count: 1 }],
  ["fail", "present", { signal: "span", select: { name: "SELECT orders" }, count: 0 }],
  ["pass", "absent", { signal: "span", select: { name: "COMMIT" }, count: 0 }],
  [
    "pass",
    "every",
    { signal: "span", select: { kind: "client" }, every: { name: { matches: "^SELECT " } } },
  ],
  [
    "fail",
    "every but one",
    { signal: "span", select: { kind: "client" }, every: { status: "unset" } },
  ],
  ["fail", "every of none", { signal: "span", select: { name: "no" }, every: { status: "unset" } }],
  [
    "fail",
    "every of none, though none are fine",
    { signal: "span", select: { name: "no" }, count: { gte: 0 }, every: { status: "unset" } },
  ],
  [
    "pass",
    "distinct",
    {
      signal: "span",
      select: { name: "SELECT orders" },
      distinct: { attribute: "db.query.text", count: 1 },
    },
  ],
  [
    "fail",
    "not distinct enough",
    {
      signal: "span",
      select: { name: "SELECT orders" },
      distinct: { attribute: "rows", count: 1 },
    },
  ],
  [
    "fail",
    "unknown parameter",
    { signal: "span", select: { kind: "client" }, count: "${params.x}" },
  ],
])("a settled run gives %s for spans by %s", (verdict, _, expectation) => {
  expect(verdictOf(expectation, settled)).toBe(verdict);
});

test("an exception may be told by a log record of the span", () => {
  const told = log({ span: 1, attributes: { "exception.type": "TypeError" } });
  const expectation: BareExpectation = {
    signal: "span",
    select: { name: "SELECT customers", exception: { type: "TypeError" } },
  };
  expect(verdictOf(expectation, settled)).toBe("fail");
  expect(verdictOf(expectation, { ...settled, logs: [told] })).toBe("pass");
});

test("a link leads into another trace, which then belongs to the run", () => {
  const spans = [
    span({ id: 1, name: "publish" }),
    span({ id: 2, trace: 7, name: "process", links: [{ id: 1 }] }),
    span({ id: 3, trace: 8, name: "process" }),
    span({ id: 4, name: "process", links: [{ trace: 7, id: 2 }, { id: 77 }] }),
  ];
  const linked: BareExpectation = {
    signal: "span",
    select: { name: "process", linksTo: { name: "publish" } },
    count: 1,
  };
  expect(verdictOf(linked, evidenceOf({ spans }))).toBe("pass");
  expect(verdictOf({ signal: "trace", traces: 2 }, evidenceOf({ spans }))).toBe("pass");
});

test.each<[Verdict, BareExpectation]>([
  ["pass", { signal: "span", select: { name: "SELECT orders" }, count: { gte: 2 } }],
  ["pending", { signal: "span", select: { name: "SELECT orders" }, count: { gte: 3 } }],
  ["pending", { signal: "span", select: { name: "SELECT orders" }, count: 2 }],
  ["pending", { signal: "span", select: { name: "SELECT orders" }, count: 3 }],
  ["fail", { signal: "span", select: { name: "SELECT orders" }, count: 1 }],
  ["fail", { signal: "span", select: { name: "SELECT orders" }, count: { lt: 2 } }],
  ["pending", { signal: "span", select: { name: "COMMIT" }, count: 0 }],
  ["pending", { signal: "span", select: { selfTimeMs: { gte: 1 } } }],
  ["pending", { signal: "span", select: { name: "no" }, every: { status: "ok" } }],
  ["pending", { signal: "span", select: { kind: "client" }, every: { kind: "client" } }],
  ["fail", { signal: "span", select: { kind: "client" }, every: { kind: "server" } }],
  ["pending", { signal: "span", select: { kind: "client" }, every: { childOf: { name: "x" } } }],
  ["pending", { signal: "trace", orphans: 0 }],
  ["pending", { signal: "trace", roots: 1 }],
  ["pass", { signal: "trace", services: ["lab-server"] }],
  ["pending", { signal: "trace", services: ["lab-web"] }],
  ["pending", { signal: "order", first: { name: "a" }, relation: "before", second: { name: "b" } }],
  ["pending", { signal: "log" }],
  ["pending", { signal: "sentry", item: "event", count: 0 }],
  ["pending", { signal: "page", observation: "fallback", value: true }],
  ["pending", { signal: "component", component: "server", restarts: 0 }],
])("before the run has settled it is %s: %o", (verdict, expectation) => {
  expect(verdictOf(expectation, running)).toBe(verdict);
});

test.each<[Verdict, string, string, string]>([
  ["pass", "SELECT customers", "before", "SELECT orders"],
  ["fail", "SELECT orders", "before", "SELECT customers"],
  ["pass", "SELECT orders", "within", "scenario"],
  ["fail", "scenario", "within", "SELECT orders"],
  ["pass", "SELECT orders", "overlaps", "scenario"],
  ["fail", "SELECT orders", "overlaps", "SELECT customers"],
  ["fail", "SELECT orders", "overlaps", "SELECT orders"],
  ["fail", "nothing", "before", "SELECT orders"],
])("%s: %s %s %s", (verdict, first, relation, second) => {
  const expectation = {
    signal: "order",
    first: { name: first },
    relation: relation as "before",
    second: { name: second },
  } as const;
  expect(verdictOf(expectation, settled)).toBe(verdict);
});

test("work that goes on after its parent ended is seen", () => {
  const late = (durationMs: number) =>
    evidenceOf({
      spans: [
        span({ id: 1, name: "request", durationMs: 10 }),
        span({ id: 2, parent: 1, name: "query", startMs: 5, durationMs }),
      ],
    });
  const expectation: BareExpectation = {
    signal: "order",
    first: { name: "query" },
    relation: "ends-after-parent",
    second: { name: "request" },
  };
  expect(verdictOf(expectation, late(20))).toBe("pass");
  expect(verdictOf(expectation, late(5))).toBe("fail");
});

test("roots name no parent, orphans one that is not there", () => {
  const spans = [span({ id: 1 }), span({ id: 2, parent: 1 }), span({ id: 3, parent: 99 })];
  const evidence = evidenceOf({ spans });
  expect(verdictOf({ signal: "trace", roots: 1, orphans: 1, traces: 1 }, evidence)).toBe("pass");
  expect(verdictOf({ signal: "span", select: { noParent: true }, count: 1 }, evidence)).toBe(
    "pass",
  );
  expect(check({ signal: "trace", orphans: 0 }, evidence)).toMatchObject({
    verdict: "fail",
    nearest: { spanId: spanIdOf(3) },
  });
});

test("an orphan may still find its parent, so it decides nothing before the end", () => {
  const early = evidenceOf({ spans: [span({ id: 3, parent: 99 })], settled: false });
  expect(verdictOf({ signal: "trace", orphans: 0 }, early)).toBe("pending");
  expect(verdictOf({ signal: "trace", orphans: { gte: 1 } }, early)).toBe("pending");
});

test("another run's trace is not looked at, even when it is linked", () => {
  const spans = [
    span({ id: 1, name: "read", attributes: ofRun(), links: [{ trace: 5, id: 2 }] }),
    span({ id: 2, trace: 5, name: "read", attributes: ofRun(otherRunId) }),
  ];
  expect(
    verdictOf({ signal: "span", select: { name: "read" }, count: 1 }, evidenceOf({ spans })),
  ).toBe("pass");
});

test("a trace belongs to the run by the run id on its spans or log lines", () => {
  const spans = [
    span({ trace: 5, name: "a", attributes: ofRun() }),
    span({ trace: 6, name: "b" }),
    span({ trace: 7, name: "c" }),
  ];
  const logs = [log({ trace: 6, attributes: ofRun() })];
  const evidence = evidenceOf({ spans, logs, traceIds: [] });
  expect(verdictOf({ signal: "trace", traces: 2 }, evidence)).toBe("pass");
  expect(verdictOf({ signal: "span", select: { name: "c" }, count: 0 }, evidence)).toBe("pass");
});

test("a source that does not answer makes a check inconclusive, one that is absent not applicable", () => {
  const expectation: BareExpectation = { signal: "log", correlated: true };
  const state = (sources: Partial<Evidence["sources"]>): Verdict =>
    verdictOf(expectation, { ...settled, sources: { ...settled.sources, ...sources } });
  expect(state({ logs: "unreachable" })).toBe("inconclusive");
  expect(state({ logs: "absent" })).toBe("not-applicable");
  expect(state({ traces: "unreachable" })).toBe("inconclusive");
  expect(state({ metrics: "unreachable" })).toBe("fail");
});

test("only what holds in the run's mode is judged, and keeps its place", () => {
  const fault = reasoned({ signal: "span", select: { name: "a" } });
  const fix = reasoned({ signal: "span", select: { name: "b" }, modes: ["fix", "control"] });
  expect(judge([fault, fix], settled).map((it) => it.index)).toEqual([0]);
  expect(judge([fault, fix], { ...settled, mode: "fix" }).map((it) => it.index)).toEqual([1]);
});

test("a failure says what was expected, what was seen, what came nearest, and how to look", () => {
  const found = check(
    {
      signal: "span",
      select: { name: "SELECT orders", status: "error", childOf: { name: "scenario" } },
      count: "${params.n}",
    },
    settled,
  );
  expect(found).toMatchObject({
    verdict: "fail",
    expected: 'exactly 2 spans "SELECT orders" with status error under "scenario"',
    seen: "0 spans of 4",
    why: "it matters",
    hint: "look there",
    query: {
      language: "traceql",
      text: `{ .lab.run.id = "${runId}" } && ({ name = "scenario" } > { name = "SELECT orders" && status = error })`,
    },
  });
  expect(found.nearest?.ticks).toEqual([
    { predicate: "name", expected: "= SELECT orders", seen: "SELECT orders", ok: true },
    { predicate: "status", expected: "= error", seen: "unset", ok: false },
    { predicate: "childOf", expected: '"scenario"', seen: "scenario", ok: true },
  ]);
  expect(found.nearest?.spanId).toBe(spanIdOf(2));
});

test("with too many spans the nearest is one that is in the way", () => {
  const found = check({ signal: "span", select: { name: "SELECT orders" }, count: 0 }, settled);
  expect(found.nearest).toMatchObject({ spanId: spanIdOf(2), ticks: [{ ok: true }] });
});

test("with every, the nearest is a span that differs", () => {
  const found = check(
    { signal: "span", select: { name: "SELECT orders" }, every: { status: "unset" } },
    settled,
  );
  expect(found.nearest).toMatchObject({
    spanId: spanIdOf(3),
    ticks: [{ predicate: "status", seen: "error", ok: false }],
  });
});

test.each<[Verdict, readonly Verdict[]]>([
  ["pass", ["pass", "pass"]],
  ["not-applicable", ["pass", "not-applicable"]],
  ["inconclusive", ["not-applicable", "inconclusive", "pass"]],
  ["pending", ["inconclusive", "pending"]],
  ["fail", ["pending", "fail", "inconclusive"]],
  ["not-applicable", []],
])("a run is %s with checks %j", (verdict, verdicts) => {
  expect(worst(verdicts)).toBe(verdict);
});
