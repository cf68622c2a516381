import { expect, test } from "vitest";
import type { Expectation } from "#scenarios/expectation.ts";
import type { SpanSelector } from "#scenarios/span-selector.ts";
import { spansAbout } from "./spans-about.ts";
import type { TraceSpan } from "./trace.ts";

const span = (id: string, parentId: string | null, part: Partial<TraceSpan> = {}): TraceSpan => ({
  ...{ id, parentId, name: id, service: "shop", hue: "shop", kind: "internal" },
  ...{ startMs: 0, endMs: 1, failed: false, hasEvents: false, farOff: false, details: null },
  ...part,
});
const spans = [
  span("root", null),
  span("list", "root", { kind: "server" }),
  span("query 1", "list", { name: "SELECT orders", kind: "client" }),
  span("query 2", "list", { name: "SELECT orders", kind: "client", failed: true }),
  span("lost", "never sent"),
];
const reason = { why: "", hint: "" };
const about = (expectation: Expectation) => spansAbout(expectation, spans, { table: "orders" });
const selected = (select: SpanSelector) => about({ signal: "span", select, ...reason });

test("spans are found by name, kind, status and what they hang under", () => {
  expect(selected({ name: "SELECT ${params.table}" })).toEqual(["query 1", "query 2"]);
  expect(selected({ name: { matches: "^SELECT" }, status: "error" })).toEqual(["query 2"]);
  expect(selected({ kind: "client", childOf: { name: "list" } })).toHaveLength(2);
  expect(selected({ kind: "client", descendantOf: { name: "root" } })).toHaveLength(2);
  expect(selected({ kind: "client", childOf: { name: "root" } })).toEqual([]);
  expect(selected({ noParent: true })).toEqual(["root"]);
});

test("an order is about both sides, the trace's shape about its tops", () => {
  const order: Expectation = {
    ...{ signal: "order", relation: "before", ...reason },
    first: { name: "list" },
    second: { name: "SELECT orders" },
  };
  expect(about(order)).toEqual(["list", "query 1", "query 2"]);
  expect(about({ signal: "trace", roots: 1, ...reason })).toEqual(["root", "lost"]);
});

test("parents in a circle end the search", () => {
  const circle = [span("a", "b"), span("b", "a")];
  const select = { descendantOf: { name: "c" } };
  expect(spansAbout({ signal: "span", select, ...reason }, circle, {})).toEqual([]);
});
