import { expect, test } from "vitest";
import scenario from "#scenarios/db/n-plus-one.ts";
import { evidenceOf, span } from "./factories.ts";
import { judge } from "./judge.ts";

test("a trace of 50,000 spans is judged within 500 ms", () => {
  const count = 50_000;
  const spans = Array.from({ length: count }, (_, id) =>
    span({
      id,
      ...(id > 0 ? { parent: Math.floor((id - 1) / 40) } : {}),
      name: id === 0 ? "scenario db.n-plus-one" : id % 3 ? "SELECT orders" : "SELECT customers",
      kind: 3,
      startMs: id / 10,
      durationMs: 1,
      attributes: {
        "db.system.name": "postgresql",
        "db.collection.name": "orders",
        "db.query.text": `select ${id % 5}`,
        "server.address": "127.0.0.1",
        "server.port": 5432,
      },
    }),
  );
  const evidence = evidenceOf({ spans, params: { n: count } });
  const before = process.threadCpuUsage();
  const checks = judge(scenario.expect, evidence);
  const { user, system } = process.threadCpuUsage(before);
  const tookMs = (user + system) / 1000;
  console.log(`judged ${count} spans by ${checks.length} expectations in ${tookMs.toFixed(0)} ms`);
  expect(checks.find((check) => check.signal === "span")?.seen).toContain("of 50000");
  expect(tookMs).toBeLessThan(500);
});
