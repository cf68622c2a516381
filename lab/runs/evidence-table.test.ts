import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import type { Evidence } from "../judge/evidence.ts";
import { evidenceOf, span } from "../judge/factories.ts";
import { type EvidenceLimits, openEvidenceTable } from "./evidence-table.ts";

function table(limits?: EvidenceLimits) {
  const db = new DatabaseSync(":memory:");
  const troubles: unknown[] = [];
  return { db, troubles, kept: openEvidenceTable(db, (error) => troubles.push(error), limits) };
}

test("it is there at once, and the same once it is written", () => {
  const { kept, db } = table();
  const evidence = evidenceOf({ runId: "a", spans: [span({ name: "SELECT orders" })] });
  kept.save("a", evidence);
  expect(JSON.parse(kept.get("a") ?? "")).toEqual(evidence);
  kept.flush();
  expect(db.prepare("SELECT count(*) AS n FROM evidence").get()?.n).toBe(1);
  expect(JSON.parse(kept.get("a") ?? "")).toEqual(evidence);
  expect(kept.get("b")).toBeUndefined();
});

test("it is written without being asked to", async () => {
  const { kept, db } = table();
  kept.save("a", evidenceOf());
  const written = () => db.prepare("SELECT count(*) AS n FROM evidence").get()?.n;
  while (written() === 0) await new Promise(setImmediate);
  expect(written()).toBe(1);
});

test("what a run gathered later replaces what was kept at its end", () => {
  const { kept } = table();
  kept.save("a", evidenceOf({ params: { n: 1 } }));
  kept.save("a", evidenceOf({ params: { n: 2 } }));
  kept.flush();
  expect((JSON.parse(kept.get("a") ?? "") as Evidence).params).toEqual({ n: 2 });
});

test("the oldest goes when there are too many", () => {
  const { kept } = table({ runs: 2, bytes: 1e6 });
  for (const runId of ["c", "a", "b"]) kept.save(runId, evidenceOf({ runId }));
  kept.flush();
  expect(["a", "b", "c"].filter((runId) => kept.get(runId) !== undefined)).toEqual(["b", "c"]);
});

test("large evidence leaves room for less, and one that is too large for none", () => {
  const large = evidenceOf({ spans: Array.from({ length: 50 }, () => span()) });
  const one = table();
  one.kept.save("a", large);
  one.kept.flush();
  const size = Number(one.db.prepare("SELECT bytes FROM evidence").get()?.bytes);
  const { kept } = table({ runs: 50, bytes: size * 1.5 });
  kept.save("a", large);
  kept.save("b", large);
  kept.flush();
  expect([kept.get("a") === undefined, kept.get("b") === undefined]).toEqual([true, false]);
  const none = table({ runs: 50, bytes: 10 });
  none.kept.save("a", large);
  none.kept.flush();
  expect(none.kept.get("a")).toBeUndefined();
  expect(none.troubles).toEqual([]);
});

test("trouble with the disk is told, and the lab goes on", () => {
  const { kept, db, troubles } = table();
  db.exec("DROP TABLE evidence");
  kept.save("a", evidenceOf());
  kept.flush();
  expect(troubles).toHaveLength(1);
});
