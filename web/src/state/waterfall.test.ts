import { expect, test } from "vitest";
import { type SpanSketch, traceOf } from "../trace/fixture.ts";
import { Waterfall } from "./waterfall.svelte.ts";

const sketches: SpanSketch[] = [
  { id: "root", name: "click", from: 0, to: 100 },
  { id: "a", parent: "root", name: "GET", from: 10, to: 60 },
  { id: "a1", parent: "a", name: "SELECT orders", from: 20, to: 30 },
  { id: "a2", parent: "a", name: "SELECT orders", from: 30, to: 40, failed: true },
  { id: "b", parent: "root", name: "PUT", from: 70, to: 90 },
];

function waterfallOf(...spans: SpanSketch[]) {
  const told: unknown[] = [];
  const waterfall = new Waterfall({
    onSelect: (spanId) => told.push(spanId),
    onWindow: (window) => told.push(window),
  });
  waterfall.trace = traceOf(...spans);
  const shown = () => waterfall.shown.map((index) => waterfall.rows[index]?.id);
  return { waterfall, told, shown };
}

test("the cursor moves over the rows shown, and stops at the ends", () => {
  const { waterfall } = waterfallOf(...sketches);
  waterfall.move(1);
  expect(waterfall.cursorId).toBe("root");
  waterfall.toggle("a");
  waterfall.move(2);
  expect(waterfall.cursorId).toBe("b");
  waterfall.move(10);
  expect(waterfall.cursorId).toBe("b");
  waterfall.move(Number.NEGATIVE_INFINITY);
  expect(waterfall.cursorId).toBe("root");
});

test("right opens, then enters; left closes, then goes to the parent", () => {
  const { waterfall, shown } = waterfallOf(...sketches);
  waterfall.select(1);
  waterfall.leave();
  expect(shown()).toEqual(["root", "a", "b"]);
  waterfall.enter();
  expect(shown()).toEqual(["root", "a", "a1", "a2", "b"]);
  waterfall.enter();
  expect(waterfall.cursorId).toBe("a1");
  waterfall.leave();
  expect(waterfall.cursorId).toBe("a");
});

test("going to a match opens what hides it, and goes round", () => {
  const { waterfall, shown } = waterfallOf(...sketches);
  waterfall.collapseAll();
  expect(shown()).toEqual(["root", "a", "b"]);
  waterfall.query = "orders";
  waterfall.nextFound(1);
  expect(waterfall.cursorId).toBe("a1");
  expect(shown()).toEqual(["root", "a", "a1", "a2", "b"]);
  waterfall.nextFound(1);
  waterfall.nextFound(1);
  expect(waterfall.cursorId).toBe("a1");
  waterfall.nextFailed();
  expect(waterfall.cursorId).toBe("a2");
});

test("open details follow the cursor, and closed ones stay closed", () => {
  const { waterfall, told } = waterfallOf(...sketches);
  waterfall.select(1);
  expect(waterfall.openId).toBeNull();
  waterfall.open("a");
  waterfall.move(1);
  expect(waterfall.openRow?.id).toBe("a1");
  waterfall.open(null);
  expect(told).toEqual(["a", "a1", null]);
});

test("growth keeps cursor, details, closed rows and zoom", () => {
  const { waterfall, shown } = waterfallOf(...sketches);
  waterfall.toggle("a");
  waterfall.open("b");
  waterfall.show({ fromMs: 60, toMs: 95 });
  waterfall.trace = traceOf(
    ...sketches,
    { id: "early", parent: "root", from: 5, to: 8 },
    { id: "a3", parent: "a", from: 50, to: 55 },
  );
  expect(shown()).toEqual(["root", "early", "a", "b"]);
  expect(waterfall.rows[waterfall.cursor]?.id).toBe("b");
  expect(waterfall.openRow?.id).toBe("b");
  expect(waterfall.window).toEqual({ fromMs: 60, toMs: 95 });
});

test("without zoom the window grows with the trace; zooming out to everything is no zoom", () => {
  const { waterfall, told } = waterfallOf(...sketches);
  expect(waterfall.window).toEqual({ fromMs: 0, toMs: 100 });
  waterfall.zoomBy(0.5);
  expect(waterfall.window).toEqual({ fromMs: 25, toMs: 75 });
  waterfall.zoomBy(2);
  expect(waterfall.zoomed).toBeNull();
  expect(told).toEqual([{ fromMs: 25, toMs: 75 }, null]);
  waterfall.trace = traceOf(...sketches, { id: "late", parent: "root", from: 90, to: 250 });
  expect(waterfall.window.toMs).toBe(250);
});

test("the critical path is told per row, and only when asked for", () => {
  const { waterfall } = waterfallOf(...sketches);
  expect(waterfall.critical).toBeUndefined();
  waterfall.showCritical = true;
  const ids = [...(waterfall.critical?.keys() ?? [])].map((index) => waterfall.rows[index]?.id);
  expect(new Set(ids)).toEqual(new Set(["root", "a", "a1", "a2", "b"]));
});

const layered: SpanSketch[] = [
  { id: "request", name: "POST", from: 0, to: 100 },
  { id: "outer", parent: "request", name: "middleware - outer", from: 1, to: 99 },
  { id: "work", parent: "outer", name: "SELECT", from: 10, to: 60 },
];

test("layers of the framework are out of the way until they are asked for", () => {
  const { waterfall, shown } = waterfallOf(...layered);
  expect(shown()).toEqual(["request", "work"]);
  expect([waterfall.layers, waterfall.depth, waterfall.depthOf(2)]).toEqual([1, 2, 1]);
  waterfall.showLayers = true;
  expect(shown()).toEqual(["request", "outer", "work"]);
  expect([waterfall.depth, waterfall.depthOf(2)]).toEqual([3, 2]);
});

test("the arrows pass over hidden layers in both directions", () => {
  const { waterfall } = waterfallOf(...layered);
  waterfall.select(0);
  waterfall.enter();
  expect(waterfall.cursorId).toBe("work");
  waterfall.leave();
  expect(waterfall.cursorId).toBe("request");
});

test("whoever is led to a layer sees it", () => {
  const { waterfall, shown } = waterfallOf(...layered);
  waterfall.open("outer");
  expect(shown()).toContain("outer");
});

test("levels close from the deepest and open from the top", () => {
  const { waterfall, shown } = waterfallOf(...sketches);
  waterfall.collapseLevel();
  expect(shown()).toEqual(["root", "a", "b"]);
  waterfall.collapseLevel();
  expect(shown()).toEqual(["root"]);
  waterfall.collapseLevel();
  expect(shown()).toEqual(["root"]);
  waterfall.expandLevel();
  expect(shown()).toEqual(["root", "a", "b"]);
  waterfall.expandLevel();
  expect(shown()).toEqual(["root", "a", "a1", "a2", "b"]);
});

test("marked spans are found as a search finds them, until somebody searches", () => {
  const { waterfall } = waterfallOf(...sketches);
  const found = () => waterfall.found.map((index) => waterfall.rows[index]?.id);
  waterfall.collapseAll();
  waterfall.mark("a check", ["b", "a2"]);
  expect(waterfall.markedFor).toBe("a check");
  expect(found()).toEqual(["a2", "b"]);
  expect(waterfall.cursorId).toBe("a2");
  waterfall.nextFound(1);
  expect(waterfall.cursorId).toBe("b");
  waterfall.query = "GET";
  expect(waterfall.markedFor).toBeNull();
  expect(found()).toEqual(["a"]);
});

test("only what was found is shown, with what it hangs under; everything when nothing is", () => {
  const { waterfall, shown } = waterfallOf(...sketches);
  waterfall.onlyFound = true;
  expect(shown()).toHaveLength(5);
  waterfall.query = "orders";
  expect(shown()).toEqual(["root", "a", "a1", "a2"]);
});

/** A loop of `n` queries under `a`, one after the other. */
const loop = (n: number): SpanSketch[] => [
  { id: "root", name: "click", from: 0, to: 100 },
  { id: "a", parent: "root", name: "GET", from: 1, to: 99 },
  ...Array.from({ length: n }, (_, at) => ({
    id: `q${at}`,
    parent: "a",
    name: "SELECT orders",
    from: 10 * at + 2,
    to: 10 * at + 7,
  })),
];

test("many equal siblings are one row until it is opened", () => {
  const { waterfall, shown } = waterfallOf(...loop(6));
  expect(shown()).toEqual(["root", "a", "group-q0"]);
  waterfall.select(2);
  waterfall.enter();
  expect(shown()).toHaveLength(9);
  waterfall.enter();
  expect(waterfall.cursorId).toBe("q0");
  expect([2, 3].map((index) => waterfall.depthOf(index))).toEqual([2, 3]);
  expect(waterfall.depth).toBe(3);
  waterfall.leave();
  waterfall.leave();
  expect(shown()).toEqual(["root", "a", "group-q0"]);
  waterfall.expandAll();
  expect(shown()).toHaveLength(9);
});

test("whoever is led to one of many equals sees it", () => {
  const { waterfall, shown, told } = waterfallOf(...loop(6));
  waterfall.mark("a check", ["q4", "q5"]);
  expect(waterfall.cursorId).toBe("q4");
  expect(shown()).toContain("q4");
  waterfall.collapseAll();
  waterfall.expandLevel();
  expect(shown()).toEqual(["root", "a", "group-q0"]);
  waterfall.open("q2");
  expect(shown()).toContain("q2");
  waterfall.open("group-q0");
  expect(waterfall.openRow?.kind).toBe("group");
  expect(told.slice(-2)).toEqual(["q2", null]);
});

test("a linked span is in sight when its trace comes, and stays so while it gets equals", () => {
  const { waterfall, shown } = waterfallOf();
  waterfall.openId = "q2";
  waterfall.cursorId = "q2";
  waterfall.trace = traceOf(...loop(4));
  expect(shown()).toContain("q2");
  waterfall.trace = traceOf(...loop(6));
  expect(shown()).toContain("q2");
  waterfall.toggle("group-q0");
  waterfall.trace = traceOf(...loop(7));
  expect(shown()).not.toContain("q2");
});

test("the critical path goes through a group, which shows what its members have of it", () => {
  const { waterfall } = waterfallOf(...loop(6));
  waterfall.showCritical = true;
  expect(waterfall.critical?.get(3)).toHaveLength(1);
  expect(waterfall.critical?.get(2)).toHaveLength(6);
});
