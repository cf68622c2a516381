import { expect, test } from "vitest";
import { apart, type Mark } from "./marks.ts";

const mark = (atMs: number, text: string, bad = false): Mark => ({
  atMs,
  kind: "log",
  bad,
  text,
});
const window = { fromMs: 0, toMs: 250 };

test("marks that can be told apart are drawn one by one", () => {
  const marks = [mark(10, "one"), mark(12, "two")];
  expect(apart(marks, window)).toEqual(marks);
});

test("marks at one place become one with the text of all, the bad one first", () => {
  expect(apart([mark(10, "one"), mark(10.5, "two", true), mark(40, "three")], window)).toEqual([
    mark(10.5, "two\none", true),
    mark(40, "three"),
  ]);
});

test("a mark for very many tells some of them and how many are left", () => {
  const [one] = apart(
    Array.from({ length: 7 }, (_, at) => mark(at / 10, `${at}`)),
    window,
  );
  expect(one?.text).toBe("0\n1\n2\n3\n4\nand 2 more");
});
