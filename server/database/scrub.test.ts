import { expect, test } from "vitest";
import { scrubDatabaseError } from "./scrub.ts";

const databaseError = (code: string, message: string, fields: object = {}) =>
  Object.assign(new Error(message), { code, ...fields });

test.each([
  [
    "22P02",
    'invalid input syntax for type integer: "hunter2"',
    'invalid input syntax for type integer: "?"',
  ],
  ["42601", `syntax error at or near "hunter2"`, `syntax error at or near "?"`],
  ["22007", `date '2026-13-01' is bad`, `date '?' is bad`],
  ["P0001", "key hunter2 is taken", "an exception was raised in the database"],
  ["42P01", 'relation "nope" does not exist', 'relation "nope" does not exist'],
  ["23505", 'violates unique constraint "orders_id"', 'violates unique constraint "orders_id"'],
])("%s: %s", (code, before, after) => {
  const error = databaseError(code, before);
  scrubDatabaseError(error);
  expect(error.message).toBe(after);
  expect(error.stack?.split("\n")[0]).toBe(`Error: ${after}`);
});

test("the fields that repeat a row go", () => {
  const error = databaseError("23505", "duplicate", {
    detail: "Key (email)=(hunter2) already exists.",
    where: "PL/pgSQL hunter2",
  });
  scrubDatabaseError(error);
  expect(JSON.stringify(error)).not.toContain("hunter2");
});

test("errors that are not the database's stay as they are", () => {
  const error = databaseError("ECONNREFUSED", 'connect "x"');
  scrubDatabaseError(error);
  expect(error.message).toBe('connect "x"');
  expect(() => scrubDatabaseError("text")).not.toThrow();
});
