import { expect, test } from "vitest";
import { entries, plainValue, textOf } from "./attributes.ts";
import { traceOf } from "./fixture.ts";
import { selfTimeMs } from "./self-time.ts";
import { decodeTrace, startOf } from "./trace.ts";

test("times are exact to the nanosecond, although they do not fit a number", () => {
  const trace = decodeTrace("t", {
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: [
              {
                traceId: "t",
                spanId: "a",
                name: "a",
                startTimeUnixNano: "1763820000000000001",
                endTimeUnixNano: "1763820000000000004",
              },
              {
                traceId: "t",
                spanId: "b",
                name: "b",
                startTimeUnixNano: "1763820000000000002",
                endTimeUnixNano: "1763820000001500002",
              },
            ],
          },
        ],
      },
    ],
  });
  expect(trace.spans[0]?.endMs).toBe(0.000003);
  expect(trace.spans[1]).toMatchObject({
    startMs: 0.000001,
    endMs: 1.500001,
    service: "unknown_service",
  });
  expect(trace.durationMs).toBe(1.500001);
});

test("a span that was sent twice is taken once, in its last form", () => {
  const trace = traceOf(
    { id: "a", from: 0, to: 1, name: "open" },
    { id: "a", from: 0, to: 5, name: "ended" },
  );
  expect(trace.spans.map(({ name, endMs }) => [name, endMs])).toEqual([["ended", 5]]);
});

test("a span that ends before it starts has no length", () => {
  const [span] = traceOf({ id: "a", from: 5, to: 2 }).spans;
  expect(span).toMatchObject({ startMs: 0, endMs: 0 });
});

test("a client span of a data store is coloured as the data store, any other as its service", () => {
  const attributes = [{ key: "db.system.name", value: { stringValue: "postgresql" } }];
  const { spans, hues } = traceOf(
    { id: "query", from: 3, to: 4, raw: { kind: 3, attributes } },
    { id: "pool", from: 2, to: 4, raw: { kind: 1, attributes } },
    { id: "click", from: 1, to: 9, service: "lab-web" },
  );
  expect(spans.map(({ hue }) => hue)).toEqual(["postgresql", "lab-server", "lab-web"]);
  expect(hues).toEqual(["lab-web", "lab-server", "postgresql"]);
});

test("attribute values become plain data, and integers beyond 2^53 stay text", () => {
  expect(plainValue({ intValue: "42" })).toBe(42);
  expect(plainValue({ intValue: "9007199254740993" })).toBe("9007199254740993");
  expect(
    plainValue({ arrayValue: { values: [{ boolValue: false }, { doubleValue: 0.5 }] } }),
  ).toEqual([false, 0.5]);
  expect(
    entries([
      { key: "map", value: { kvlistValue: { values: [{ key: "a", value: { intValue: 1 } }] } } },
      { key: "none" },
    ]),
  ).toEqual([
    ["map", { a: 1 }],
    ["none", null],
  ]);
  expect(textOf([{ key: "n", value: { intValue: "7" } }], "n")).toBe("7");
  expect(textOf([], "n")).toBeUndefined();
});

test("self time leaves out children, and overlapping children only once", () => {
  const { spans } = traceOf(
    { id: "root", from: 0, to: 10 },
    { id: "a", parent: "root", from: 1, to: 5 },
    { id: "b", parent: "root", from: 3, to: 6 },
    { id: "late", parent: "root", from: 9, to: 20 },
    { id: "grandchild", parent: "a", from: 6, to: 9 },
  );
  const root = spans[0];
  if (root === undefined) throw new Error("no root");
  expect(selfTimeMs(root, spans)).toBe(4);
});

test("a trace begins where its first span does, and one without spans nowhere", () => {
  expect(startOf(traceOf({ id: "a", from: 30.25, to: 40 }, { id: "b", from: 35, to: 36 }))).toBe(
    1_763_820_000_030.25,
  );
  expect(startOf(traceOf())).toBeUndefined();
});
