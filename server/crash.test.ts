import { expect, test } from "vitest";
import { isDriverFault } from "./crash.ts";

const message = "Cannot read properties of null (reading 'write')";
const thrown = (text: string, at: string, error: Error = new TypeError(text)) =>
  Object.assign(error, { stack: `TypeError: ${text}\n    at ${at}` });

test("the driver's write to a lost socket is known by message and place", () => {
  expect(
    isDriverFault(
      thrown(
        message,
        "Immediate.nextWrite (file:///x/node_modules/postgres/src/connection.js:255:22)",
      ),
    ),
  ).toBe(true);
});

test.each([
  ["another place", thrown(message, "save (file:///x/server/routes/shop.ts:1:1)")],
  [
    "another message",
    thrown("x is not a function", "f (file:///x/node_modules/postgres/src/connection.js:1:1)"),
  ],
  [
    "another type",
    thrown(
      message,
      "f (file:///x/node_modules/postgres/src/connection.js:1:1)",
      new Error(message),
    ),
  ],
  ["no error at all", message],
])("%s is a crash", (_, error) => {
  expect(isDriverFault(error)).toBe(false);
});
