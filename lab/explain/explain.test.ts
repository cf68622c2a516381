import { expect, test } from "vitest";
import { evidenceOf, type MadeSpan, type SpanSpec, span, spanIdOf } from "#lab/judge/factories.ts";
import { explain } from "./explain.ts";

const server = (durationMs: number, more: SpanSpec = {}) =>
  span({ id: "root", name: "GET /orders", kind: 2, durationMs, ...more });
const query = (startMs: number, durationMs: number, more: SpanSpec = {}) =>
  span({
    parent: "root",
    name: "SELECT orders",
    kind: 3,
    startMs,
    durationMs,
    attributes: { "db.system.name": "postgresql", "db.query.text": "select … where id = $1" },
    ...more,
  });
const times = (n: number, make: (index: number) => MadeSpan) =>
  Array.from({ length: n }, (_, index) => make(index));
const found = (...spans: readonly MadeSpan[]) => explain(evidenceOf({ spans }));

test("a query per item is found, with its number, its cost and its spans", () => {
  const queries = times(6, (n) => query(n * 10, 8, { id: n }));
  const [insight, ...others] = found(server(70), ...queries);
  expect(insight).toMatchObject({
    rule: "n-plus-one",
    title: "6 times SELECT orders, one after another",
    costMs: 48,
  });
  expect(insight?.spans.map(({ spanId }) => spanId)).toEqual(
    times(6, (n) => query(0, 0, { id: n })).map(({ span: one }) => one.spanId),
  );
  expect(others).toEqual([]);
});

test("clocks that make neighbours overlap a little hide nothing", () => {
  const queries = times(6, (n) => query(n * 8, 8.2));
  expect(found(server(70), ...queries)[0]?.rule).toBe("n-plus-one");
});

test("quick queries one after another are told apart, though their starts are whole milliseconds", () => {
  // 1.4 ms each and 0.1 ms in between: what is stamped is the millisecond before.
  const queries = times(20, (n) => query(Math.floor(n * 1.5), 1.4));
  expect(found(server(40), ...queries)[0]?.title).toBe("20 times SELECT orders, one after another");
  const beside = times(20, () => query(0, 1.4));
  expect(found(server(40), ...beside)).toEqual([]);
});

test.each<[string, readonly MadeSpan[]]>([
  ["few of them", times(4, (n) => query(n * 10, 8))],
  ["different statements", times(6, (n) => query(n * 10, 2, { name: `SELECT t${n}` }))],
  ["side by side", times(6, () => query(0, 8))],
  ["under different spans", times(6, (n) => query(n * 10, 8, { parent: n }))],
])("it is no query per item: %s", (_, queries) => {
  expect(found(server(70), ...queries)).toEqual([]);
});

test("waiting for a connection counts once however many wait at the same time", () => {
  const waits = times(3, () => span({ parent: "root", name: "db.pool.acquire", durationMs: 40 }));
  expect(found(server(50), ...waits)).toMatchObject([
    { rule: "pool-wait", title: "3 waits for a database connection", costMs: 40 },
  ]);
  expect(
    found(server(50), span({ parent: "root", name: "db.pool.acquire", durationMs: 4 })),
  ).toEqual([]);
});

test("a call that fails again and again is found, and one that succeeds at last is not counted", () => {
  const tries = times(3, (n) =>
    span({ parent: "root", name: "GET", kind: 3, status: 2, startMs: n * 10, durationMs: 9 }),
  );
  const success = span({ parent: "root", name: "GET", kind: 3, startMs: 30, durationMs: 9 });
  expect(found(server(40), ...tries, success)).toMatchObject([
    { rule: "retry-storm", title: "GET failed 3 times", costMs: 27 },
  ]);
  expect(found(server(40), ...tries.slice(1), success)).toEqual([]);
});

test("different calls that wait for each other could run side by side", () => {
  const calls = [query(0, 30), query(30, 20, { name: "S3.GetObject", attributes: {} })];
  expect(found(server(55), ...calls)).toMatchObject([
    {
      rule: "sequential-work",
      costMs: 20,
      spans: [{}, {}],
      title: "2 calls of GET /orders wait for each other",
    },
  ]);
});

test("a loop of slow queries is told once, as a loop", () => {
  const queries = times(6, (n) => query(20 + n * 10, 10));
  const list = query(0, 20, { name: "SELECT customers" });
  expect(found(server(85), list, ...queries).map(({ rule }) => rule)).toEqual(["n-plus-one"]);
});

test.each<[string, readonly MadeSpan[]]>([
  [
    "in a transaction",
    [query(0, 1, { name: "BEGIN" }), query(1, 30), query(31, 20, { name: "UPDATE stock" })],
  ],
  ["already side by side", [query(0, 30), query(0, 30, { name: "GET" })]],
  ["too quick to matter", [query(0, 6), query(6, 6, { name: "GET" })]],
])("calls are left alone: %s", (_, calls) => {
  expect(found(server(55), ...calls)).toEqual([]);
});

test("a cache that misses half of its reads is found", () => {
  const read = (outcome: string) =>
    span({ parent: "root", name: "cache", attributes: { "lab.cache.outcome": outcome } });
  const reads = [read("miss"), read("miss"), read("error"), read("hit"), read("coalesced")];
  expect(found(server(2), ...reads)).toMatchObject([
    { rule: "cache-misses", title: "3 of 5 cache reads had to load" },
  ]);
  expect(found(server(2), ...reads.slice(1), read("hit"))).toEqual([]);
});

test("time without any span is named with what stood before and after it", () => {
  const [gap] = found(
    server(100),
    query(0, 4, { id: "a" }),
    query(80, 4, { id: "b", name: "SELECT customers" }),
  );
  expect(gap).toMatchObject({
    rule: "gap",
    title: "76 ms of GET /orders without any span",
    costMs: 76,
  });
  expect(gap?.spans.map(({ spanId }) => spanId)).toEqual([
    spanIdOf("root"),
    spanIdOf("a"),
    spanIdOf("b"),
  ]);
});

test("a gap between two services is the network's, and a short one is nothing", () => {
  expect(found(server(100), query(0, 4), query(80, 4, { service: "other" }))).toEqual([]);
  expect(found(server(1000), query(0, 4), query(80, 4))).toEqual([]);
});

test("the most expensive comes first, and order of arrival does not matter", () => {
  const spans = [
    server(200),
    ...times(6, (n) => query(n * 10, 8)),
    query(150, 4, { name: "SELECT customers" }),
  ];
  const insights = found(...spans);
  expect(insights.map(({ rule }) => rule)).toEqual(["gap", "n-plus-one"]);
  expect(found(...spans.toReversed())).toEqual(insights);
});
