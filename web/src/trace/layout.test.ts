import { describe, expect, test } from "vitest";
import { type SpanSketch, traceOf } from "./fixture.ts";
import { layersAbove, layout, parentsFrom, type Row, shownRows } from "./layout.ts";

const tree = (rows: readonly Row[]): string[] =>
  rows.map((row) => `${"  ".repeat(row.depth)}${row.kind === "missing" ? `(${row.id})` : row.id}`);

describe("layout", () => {
  test("puts parents before children and siblings in order of their start", () => {
    const rows = layout(
      traceOf(
        { id: "late", parent: "root", from: 6, to: 8 },
        { id: "leaf", parent: "early", from: 2, to: 3 },
        { id: "root", from: 0, to: 10 },
        { id: "early", parent: "root", from: 1, to: 4 },
      ),
    );
    expect(tree(rows)).toEqual(["root", "  early", "    leaf", "  late"]);
    expect(rows.map(({ size }) => size)).toEqual([4, 2, 1, 1]);
    expect(rows.map(({ parent }) => parent)).toEqual([-1, 0, 1, 0]);
    expect(rows[0]?.childCount).toBe(2);
  });

  test("gathers spans with an absent parent under a row that stands for it", () => {
    const rows = layout(
      traceOf(
        { id: "a", parent: "gone", from: 1, to: 4 },
        { id: "b", parent: "gone", from: 2, to: 5 },
        { id: "root", from: 3, to: 4 },
      ),
    );
    expect(tree(rows)).toEqual(["(gone)", "  a", "  b", "root"]);
    expect(rows[0]).toMatchObject({ kind: "missing", fromMs: 0, toMs: 4, childCount: 2 });
  });

  test("marks every ancestor of a failed span, and not the span itself", () => {
    const rows = layout(
      traceOf(
        { id: "root", from: 0, to: 9 },
        { id: "mid", parent: "root", from: 1, to: 8 },
        { id: "bad", parent: "mid", from: 2, to: 3, failed: true },
        { id: "fine", parent: "root", from: 8, to: 9 },
      ),
    );
    expect(rows.filter(({ failedBelow }) => failedBelow).map(({ id }) => id)).toEqual([
      "root",
      "mid",
    ]);
  });

  test("tells how long a child starts before its parent, and ignores rounding", () => {
    const rows = layout(
      traceOf(
        { id: "root", from: 20, to: 30 },
        { id: "skewed", parent: "root", from: 5, to: 25 },
        { id: "rounded", parent: "root", from: 19.5, to: 25 },
      ),
    );
    const early = Object.fromEntries(
      rows.map((row) => [row.id, row.kind === "span" && row.earlyMs]),
    );
    expect(early).toEqual({ root: 0, skewed: 15, rounded: 0 });
  });

  test("covers in a parent's extent what its descendants do after it ended", () => {
    const rows = layout(
      traceOf({ id: "root", from: 0, to: 5 }, { id: "async", parent: "root", from: 4, to: 12 }),
    );
    expect(rows[0]).toMatchObject({ fromMs: 0, toMs: 12 });
  });

  test("cuts cycles, so that every span has exactly one row", () => {
    const rows = layout(
      traceOf(
        { id: "root", from: 0, to: 1 },
        { id: "a", parent: "c", from: 1, to: 2 },
        { id: "b", parent: "a", from: 2, to: 3 },
        { id: "c", parent: "b", from: 3, to: 4 },
        { id: "self", parent: "self", from: 5, to: 6 },
      ),
    );
    expect(rows.map(({ id }) => id).sort()).toEqual(["a", "b", "c", "root", "self"]);
    for (const [index, row] of rows.entries()) {
      expect(row.parent).toBeLessThan(index);
      if (row.parent !== -1) expect(rows[row.parent]?.depth).toBe(row.depth - 1);
    }
  });

  test("survives a trace that is a hundred thousand spans deep", () => {
    const sketches = Array.from(
      { length: 100_000 },
      (_, at): SpanSketch => ({
        id: `s${at}`,
        ...(at === 0 ? {} : { parent: `s${at - 1}` }),
        from: at / 1000,
        to: 200,
      }),
    );
    const rows = layout(traceOf(...sketches));
    expect(rows).toHaveLength(100_000);
    expect(rows.at(-1)?.depth).toBe(99_999);
    expect(rows[0]?.size).toBe(100_000);
  });
});

describe("layers of the framework", () => {
  const rows = layout(
    traceOf(
      { id: "request", from: 0, to: 9 },
      { id: "outer", name: "middleware - outer", parent: "request", from: 1, to: 8 },
      { id: "inner", name: "router - /a", parent: "outer", from: 1, to: 8 },
      { id: "work", parent: "inner", from: 2, to: 7 },
      { id: "broken", name: "middleware - broken", parent: "inner", from: 7, to: 8, failed: true },
      { id: "leaf", name: "middleware - leaf", parent: "broken", from: 7, to: 8 },
    ),
  );
  const shown = (hideLayers: boolean, ...collapsed: string[]) =>
    shownRows(rows, ({ id }) => collapsed.includes(id), hideLayers).map((index) => rows[index]?.id);

  test("are hidden when asked for, but for those that failed or in which the time ends", () => {
    expect(shown(true)).toEqual(["request", "work", "broken", "leaf"]);
    expect(shown(false)).toHaveLength(6);
    expect([...layersAbove(rows)]).toEqual([0, 0, 1, 2, 2, 2]);
  });

  test("hide nothing of theirs by being closed, and are hidden below what is closed", () => {
    expect(shown(true, "outer")).toEqual(["request", "work", "broken", "leaf"]);
    expect(shown(true, "request")).toEqual(["request"]);
  });
});

describe("shownRows", () => {
  const rows = layout(
    traceOf(
      { id: "root", from: 0, to: 9 },
      { id: "a", parent: "root", from: 1, to: 4 },
      { id: "a1", parent: "a", from: 2, to: 3 },
      { id: "b", parent: "root", from: 5, to: 6 },
    ),
  );
  const ids = (collapsed: string[]) =>
    shownRows(rows, ({ id }) => collapsed.includes(id)).map((index) => rows[index]?.id);

  test("leaves out what is below a collapsed row", () => {
    expect(ids([])).toEqual(["root", "a", "a1", "b"]);
    expect(ids(["a"])).toEqual(["root", "a", "b"]);
    expect(ids(["root", "a"])).toEqual(["root"]);
  });

  test("finds the rows to collapse from a depth on", () => {
    expect(parentsFrom(rows, 1).map(({ id }) => id)).toEqual(["a"]);
    expect(parentsFrom(rows, 0).map(({ id }) => id)).toEqual(["root", "a"]);
  });
});
