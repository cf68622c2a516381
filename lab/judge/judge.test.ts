import { expect, test } from "vitest";
import type { Verdict } from "#lab/api.ts";
import type { Expectation } from "#scenarios/define.ts";
import type { Evidence } from "./evidence.ts";
import {
  evidenceOf,
  log,
  metricEvidence,
  ofRun,
  otherRunId,
  reading,
  runId,
  sentryItem,
  span,
  spanIdOf,
  traceIdOf,
} from "./factories.ts";
import { worst } from "./finding.ts";
import { judge } from "./judge.ts";

/** An expectation without the words that do not matter to its verdict. */
type Bare<E> = E extends Expectation ? Omit<E, "why" | "hint"> : never;
type BareExpectation = Bare<Expectation>;

const reasoned = (bare: BareExpectation): Expectation =>
  ({ ...bare, why: "it matters", hint: "look there" }) as Expectation;

function check(bare: BareExpectation, evidence: Evidence) {
  const [found] = judge([reasoned(bare)], evidence);
  if (!found) throw new Error("the expectation does not hold in the run's mode");
  return found;
}
const verdictOf = (bare: BareExpectation, evidence: Evidence): Verdict =>
  check(bare, evidence).verdict;

const loop = [
  span({ id: "root", name: "scenario", durationMs: 100 }),
  span({ id: 1, parent: "root", name: "SELECT customers", kind: 3, startMs: 0, durationMs: 10 }),
  span({
    id: 2,
    parent: "root",
    name: "SELECT orders",
    kind: 3,
    startMs: 20,
    durationMs: 10,
    attributes: { "db.query.text": "select * from orders where id = $1", rows: 1 },
  }),
  span({
    id: 3,
    parent: 2,
    name: "SELECT orders",
    kind: 3,
    startMs: 40,
    durationMs: 20,
    status: 2,
    attributes: { "db.query.text": "select * from orders where id = $1", rows: 3 },
    exception: { type: "PostgresError", message: "deadlock detected" },
  }),
];
const settled = evidenceOf({ spans: loop, params: { n: 2, name: "SELECT orders", ms: 10 } });
const running: Evidence = { ...settled, settled: false };

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
