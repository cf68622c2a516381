import { expect, test } from "vitest";
import { lastingDifferences } from "./lasting.ts";

const soon = { withinMs: 60_000, everyMs: 1 };

test("what arrives late is no difference, and what has arrived is not asked for again", async () => {
  const asked: string[] = [];
  const found = await lastingDifferences(
    ["there", "late"],
    async (thing) => {
      asked.push(thing);
      return thing === "there" || asked.length > 4 ? undefined : `${thing} is missing`;
    },
    soon,
  );
  expect(found).toEqual([]);
  expect(asked).toEqual(["there", "late", "late", "late", "late"]);
});

test("what never comes is told once the time is over", async () => {
  const found = await lastingDifferences(
    ["there", "lost"],
    async (thing) => (thing === "lost" ? "lost is missing" : undefined),
    { withinMs: 5, everyMs: 1 },
  );
  expect(found).toEqual(["lost is missing"]);
});
