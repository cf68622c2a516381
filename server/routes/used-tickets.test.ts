import { expect, test } from "vitest";
import { usedTickets } from "./used-tickets.ts";

test("a run id works once, and is forgotten when its ticket has expired", () => {
  const used = usedTickets();
  expect(used.use("a", 100, 0)).toBe(true);
  expect(used.use("a", 100, 99)).toBe(false);
  expect(used.use("b", 200, 100)).toBe(true);
  expect(used.size()).toBe(1);
});
