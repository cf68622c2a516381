import { expect, test } from "vitest";
import { evidenceOf, span } from "../judge/factories.ts";
import { keepEvidence } from "./kept-evidence.ts";

test("the oldest goes when there are too many", () => {
  const kept = keepEvidence({ runs: 2, characters: 1e6 });
  for (const runId of ["a", "b", "c"]) kept.add(runId, evidenceOf({ runId }));
  expect(["a", "b", "c"].map((runId) => kept.get(runId) !== undefined)).toEqual([
    false,
    true,
    true,
  ]);
});

test("large evidence leaves room for less, and one that is too large for none", () => {
  const large = evidenceOf({ spans: Array.from({ length: 50 }, () => span()) });
  const size = JSON.stringify(large).length;
  const kept = keepEvidence({ runs: 50, characters: size * 1.5 });
  kept.add("a", large);
  expect(kept.get("a")).toHaveLength(size);
  kept.add("b", large);
  expect([kept.get("a"), kept.get("b") !== undefined]).toEqual([undefined, true]);
  keepEvidence({ runs: 50, characters: 10 }).add("c", large);
});
