import { expect, test } from "vitest";
import { type SpanSketch, traceOf } from "./fixture.ts";
import { layout } from "./layout.ts";
import { groupEqualSiblings } from "./sibling-groups.ts";

/** Children of one root by their start, and what the rows come to, as `depth name`. */
function grouped(...children: readonly (Partial<SpanSketch> & { readonly name: string })[]) {
  const spans = children.map((child, at) => ({
    id: `s${at}`,
    parent: "root",
    from: at,
    to: at + 1,
    ...child,
  }));
  const rows = groupEqualSiblings(layout(traceOf({ id: "root", from: 0, to: 100 }, ...spans)));
  const names = rows.map((row) => {
    const name = row.kind === "span" ? row.span.name : `${row.id} ×${row.childCount}`;
    return `${row.parent} ${name}`;
  });
  return { rows, names };
}
const times = (n: number, name: string, rest: Partial<SpanSketch> = {}) =>
  Array.from({ length: n }, () => ({ name, ...rest }));

test("five equal siblings hang under a row of their own, four do not", () => {
  expect(grouped(...times(4, "get")).names).toEqual(["-1 root", ...Array(4).fill("0 get")]);
  const { rows, names } = grouped(...times(5, "get"), { name: "put" });
  expect(names).toEqual(["-1 root", "0 group-s0 ×5", ...Array(5).fill("1 get"), "0 put"]);
  expect(rows.map(({ size }) => size)).toEqual([8, 6, 1, 1, 1, 1, 1, 1]);
  expect(rows[1]).toMatchObject({ depth: 1, fromMs: 0, toMs: 5, failedBelow: false });
});

test("one that failed, that has children or another service keeps its row in its place", () => {
  const { names } = grouped(
    ...times(5, "get"),
    { name: "get", failed: true },
    ...times(5, "get"),
    { name: "get", id: "parent" },
    { name: "inner", parent: "parent", from: 11.5, to: 11.8 },
    ...times(4, "get", { service: "other" }),
  );
  expect(names).toEqual([
    "-1 root",
    "0 group-s0 ×5",
    ...Array(5).fill("1 get"),
    "0 get",
    "0 group-s6 ×5",
    ...Array(5).fill("8 get"),
    "0 get",
    "14 inner",
    ...Array(4).fill("0 get"),
  ]);
});

test("failures that are equal are one row that says so", () => {
  const { rows } = grouped(...times(6, "get", { failed: true }));
  expect(rows[1]).toMatchObject({ kind: "group", failedBelow: true });
  expect(rows[0]).toMatchObject({ failedBelow: true });
});

test("roots and rows without equals stay as they are", () => {
  const roots = layout(
    traceOf(
      ...Array.from({ length: 9 }, (_, at) => ({ id: `r${at}`, name: "r", from: at, to: 9 })),
    ),
  );
  expect(groupEqualSiblings(roots)).toBe(roots);
});
