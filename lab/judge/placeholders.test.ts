import { expect, test } from "vitest";
import { fillIn, referencesIn, resolve } from "./placeholders.ts";

const params = { n: 50, kind: "a.b", on: true, hold$: 2 };

test.each([
  ["${params.n}", 50],
  ["${params.on}", true],
  ["2*${params.n}", 100],
  ["0.9 * ${params.n}", 45],
  ["0.57 * ${params.n}", 28.5],
  ["${params.n}+1", 51],
  ["${params.n} - 1", 49],
  ["2*${params.n}+1", 101],
  ["${params.hold$}", 2],
  ["kind ${params.kind}, ${params.n} times", "kind a.b, 50 times"],
  ["2*${params.kind}", "2*${params.kind}"],
  ["${params.missing}", "${params.missing}"],
  ["${params.toString}", "${params.toString}"],
  ["plain", "plain"],
])("%s becomes %o", (text, value) => {
  expect(fillIn(text, params)).toBe(value);
});

test("tells what a text refers to", () => {
  expect(referencesIn("2*${params.n}")).toEqual({ names: ["n"], computes: true });
  expect(referencesIn("${params.n}")).toEqual({ names: ["n"], computes: false });
  expect(referencesIn("${params.a} and ${params.b}")).toEqual({
    names: ["a", "b"],
    computes: false,
  });
});

test("fills in everywhere but in the words for people, and quotes values inside patterns", () => {
  expect(
    resolve(
      {
        signal: "span",
        select: {
          name: { matches: "^${params.kind}$" },
          attributes: { a: { in: ["${params.n}", "x"] } },
          childOf: { name: "scenario ${params.kind}" },
        },
        count: { gte: "${params.n}" },
        why: "${params.n}",
        hint: "${params.n}",
      },
      params,
    ),
  ).toEqual({
    signal: "span",
    select: {
      name: { matches: "^a\\.b$" },
      attributes: { a: { in: [50, "x"] } },
      childOf: { name: "scenario a.b" },
    },
    count: { gte: 50 },
    why: "${params.n}",
    hint: "${params.n}",
  });
});
