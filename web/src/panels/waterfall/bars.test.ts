import { expect, test } from "vitest";
import { traceOf } from "../../trace/fixture.ts";
import { layout, type Row } from "../../trace/layout.ts";
import { groupEqualSiblings } from "../../trace/sibling-groups.ts";
import { barsOf, durationMsOf } from "./bars.ts";

const starts = [0, 10, 20, 60, 70];
const rows = groupEqualSiblings(
  layout(
    traceOf(
      { id: "root", from: 0, to: 100 },
      ...starts.map((from, at) => ({
        id: `q${at}`,
        parent: "root",
        name: "get",
        from,
        to: from + 8,
      })),
      { id: "late", parent: "nobody", from: 90, to: 95 },
    ),
  ),
);
function rowOf(kind: Row["kind"]): Row {
  const row = rows.find((one) => one.kind === kind);
  if (row === undefined) throw new Error(`no row is a ${kind}`);
  return row;
}

test("the teeth of a group are drawn as long as they can be told apart", () => {
  const group = rowOf("group");
  expect(barsOf(group, { fromMs: 0, toMs: 100 })).toHaveLength(5);
  expect(barsOf(group, { fromMs: 0, toMs: 5000 })).toEqual([
    { fromMs: 0, toMs: 28 },
    { fromMs: 60, toMs: 78 },
  ]);
  expect(durationMsOf(group)).toBe(40);
});

test("a parent that never came has no bar", () => {
  const missing = rowOf("missing");
  expect([barsOf(missing, { fromMs: 0, toMs: 100 }), durationMsOf(missing)]).toEqual([[], 0]);
});
