import { expect, test } from "vitest";
import { plainValue } from "./attribute-value.ts";
import { evidenceOf, span, traceOf } from "./factories.ts";
import { judge } from "./judge.ts";
import { prepare } from "./prepare.ts";
import { selfTimeMs } from "./span-tree.ts";

const selfTimeOf = (
  ...children: readonly (readonly [start: number, duration: number])[]
): number => {
  const made = children.map(([startMs, durationMs]) => span({ parent: "p", startMs, durationMs }));
  const parent = span({ id: "p", name: "parent", startMs: 0, durationMs: 100 });
  const found = prepare(evidenceOf({ spans: [...made, parent] })).spans;
  const prepared = found.find((it) => it.span.name === "parent");
  return prepared ? selfTimeMs(prepared) : Number.NaN;
};

test("self time leaves out what children cover, once, and only inside the span", () => {
  expect(selfTimeOf()).toBe(100);
  expect(selfTimeOf([10, 20], [50, 10])).toBe(70);
  expect(selfTimeOf([10, 20], [15, 20])).toBe(75);
  expect(selfTimeOf([10, 50], [20, 10])).toBe(50);
  expect(selfTimeOf([-10, 20], [95, 50])).toBe(85);
  expect(selfTimeOf([200, 5])).toBe(100);
});

test("parents are found in the same trace only", () => {
  const spans = [span({ id: 1 }), span({ id: 2, parent: 1 }), span({ id: 3, trace: 1, parent: 1 })];
  const found = prepare(
    evidenceOf({ traces: [traceOf(spans)], traceIds: spans.map((it) => it.span.traceId) }),
  );
  const parents = found.spans.map((it) => [it.isRoot, it.parent !== null]);
  expect(parents).toEqual([
    [true, false],
    [false, true],
    [false, false],
  ]);
});

test("of two versions of a span the one that ends later counts, whatever came first", () => {
  const early = span({ id: 1, name: "x", durationMs: 1 });
  const late = span({ id: 1, name: "x", durationMs: 5 });
  for (const spans of [
    [early, late],
    [late, early],
  ]) {
    expect(prepare(evidenceOf({ spans })).spans.map((it) => it.durationMs)).toEqual([5]);
  }
});

test("attribute values become plain data, big integers stay exact", () => {
  expect(plainValue({ intValue: "42" })).toBe(42);
  expect(plainValue({ intValue: "9007199254740993" })).toBe("9007199254740993");
  expect(plainValue({ boolValue: false })).toBe(false);
  expect(
    plainValue({ arrayValue: { values: [{ stringValue: "a" }, { doubleValue: 0.5 }] } }),
  ).toEqual(["a", 0.5]);
  expect(
    plainValue({ kvlistValue: { values: [{ key: "__proto__", value: { intValue: 1 } }] } }),
  ).toEqual(Object.fromEntries([["__proto__", 1]]));
});

test("a ring of parents and a chain of 50,000 spans are walked to their end", () => {
  const below = (spans: ReturnType<typeof span>[]) =>
    judge(
      [
        {
          signal: "span",
          select: { name: "leaf", descendantOf: { name: "top" } },
          why: "w",
          hint: "h",
        },
      ],
      evidenceOf({ spans }),
    )[0]?.verdict;
  const ring = [span({ id: 1, parent: 2, name: "leaf" }), span({ id: 2, parent: 1 })];
  expect(below(ring)).toBe("fail");
  const chain = Array.from({ length: 50_000 }, (_, id) =>
    span({ id, ...(id > 0 ? { parent: id - 1 } : {}), name: id === 49_999 ? "leaf" : "link" }),
  );
  chain[0] = span({ id: 0, name: "top" });
  expect(below(chain)).toBe("pass");
});
