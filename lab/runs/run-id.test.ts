import * as v from "valibot";
import { expect, test } from "vitest";
import { runIdSchema } from "../api/ids.ts";
import { runIdMint } from "./run-id.ts";

test("ids have the form of the contract, differ, and sort by time", () => {
  let time = Date.UTC(2026, 0, 1);
  const mint = runIdMint(() => time);
  const ids = Array.from({ length: 1000 }, (_, i) => {
    if (i % 10 === 0) time += 1;
    return mint();
  });
  for (const id of ids) expect(v.is(runIdSchema, id)).toBe(true);
  expect(new Set(ids).size).toBe(1000);
  expect(ids.toSorted()).toEqual(ids);
});

test("order survives a clock that is set back and a crowded millisecond", () => {
  let time = 1_000_000;
  const mint = runIdMint(() => time);
  const ids = [mint()];
  time -= 5000;
  ids.push(mint());
  for (let i = 0; i < 36 ** 3 + 5; i += 1) ids.push(mint());
  time += 5001;
  ids.push(mint());
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});
