import { expect, test } from "vitest";
import { type BoardRow, liveBoard, plainBoard, rowText } from "./board.ts";

const row = (changes: Partial<BoardRow> = {}): BoardRow => ({
  id: "postgres",
  state: "ready",
  kind: "real",
  version: "18.4 (npm)",
  port: 20412,
  startMs: 812,
  restarts: 0,
  progress: null,
  note: null,
  ...changes,
});

test("a row says state, time to ready and what the service really is", () => {
  expect(rowText(row())).toBe("✓ postgres       ready          0.8 s  real 18.4 (npm), port 20412");
});

test("what is absent takes one short line, and says where the reason is", () => {
  const absent = row({
    ...{ id: "tempo", state: "unavailable", kind: "absent", version: null, port: null },
    ...{ startMs: null, note: "No program for Tempo: ".repeat(9) },
  });
  expect(rowText(absent)).toBe("– tempo          absent                why: npm run lab -- doctor");
});

test("a long step shows its share instead", () => {
  const text = rowText(
    row({ state: "preparing", startMs: null, progress: { step: "initdb", done: 0.42 } }),
  );
  expect(text).toMatch(/preparing .*initdb 42 %$/);
});

test("plain lines come once per state and step", () => {
  const lines: string[] = [];
  const board = plainBoard((line) => lines.push(line));
  board.row(row({ state: "waiting" }));
  board.row(row({ state: "preparing", progress: { step: "seeding", done: 0.1 } }));
  board.row(row({ state: "preparing", progress: { step: "seeding", done: 0.9 } }));
  board.row(row({ state: "ready" }));
  board.row(row({ state: "ready" }));
  expect(lines.map((line) => line.split(/ +/)[2])).toEqual(["preparing", "ready"]);
});

test("the live board repaints its rows and keeps notes above them", () => {
  let screen = "";
  const board = liveBoard({ columns: 80, write: (text) => (screen += text) });
  board.row(row({ state: "starting" }));
  board.note("first");
  board.row(row({ state: "ready" }));
  board.note("second");
  board.end();
  expect(screen.split("\x1b[1A\x1b[J").map((frame) => frame.split("\n")[0])).toEqual([
    "first",
    "second",
  ]);
  expect(screen).toMatch(/second\n✓ postgres .*\n$/);
});

test("rows never wrap, or the next repaint would miss a line", () => {
  let screen = "";
  const board = liveBoard({ columns: 30, write: (text) => (screen += text) });
  board.row(row({ note: "x".repeat(200) }));
  board.end();
  expect(screen.split("\n")[0]).toHaveLength(29);
});
