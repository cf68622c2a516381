import { expect, test } from "vitest";
import { traceOf } from "./fixture.ts";
import { layout } from "./layout.ts";
import { failedRows, findRows, step } from "./search.ts";

const rows = layout(
  traceOf(
    { id: "root", name: "scenario.run", service: "lab-web", from: 0, to: 9 },
    {
      id: "query",
      parent: "root",
      name: "SELECT orders",
      from: 1,
      to: 2,
      failed: true,
      raw: {
        attributes: [{ key: "db.query.text", value: { stringValue: "select * from Orders" } }],
        status: { code: 2, message: "connection lost" },
        events: [
          {
            timeUnixNano: "1",
            name: "exception",
            attributes: [{ key: "exception.type", value: { stringValue: "CONNECTION_CLOSED" } }],
          },
        ],
      },
    },
    { id: "orphan", parent: "gone", name: "late", from: 3, to: 4 },
  ),
);
const found = (query: string) => findRows(rows, query).map((index) => rows[index]?.id);

test.each([
  ["the name", "select orders", ["query"]],
  ["the service", "LAB-WEB", ["root"]],
  ["an attribute as key=value", "db.query.text=select", ["query"]],
  ["an event's attribute", "connection_closed", ["query"]],
  ["the status message", "connection lost", ["query"]],
  ["all words, wherever they are", "lost orders exception", ["query"]],
  ["no span", "orders lab-web", []],
  ["nothing asked", "  ", []],
])("a search finds spans by %s", (_, query, ids) => {
  expect(found(query)).toEqual(ids);
});

test("steps through a list and goes round at its ends", () => {
  expect(step([2, 5, 9], 5, 1)).toBe(9);
  expect(step([2, 5, 9], 9, 1)).toBe(2);
  expect(step([2, 5, 9], -1, 1)).toBe(2);
  expect(step([2, 5, 9], 2, -1)).toBe(9);
  expect(step([], 2, 1)).toBeUndefined();
});

test("failed rows are those whose own span failed", () => {
  expect(failedRows(rows).map((index) => rows[index]?.id)).toEqual(["query"]);
});
