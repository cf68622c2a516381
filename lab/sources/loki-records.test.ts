import { expect, test } from "vitest";
import type { LogRecord } from "../api/logs.ts";
import { logsOfRun, logsOfTrace, openLokiSource } from "./loki.ts";
import { recordsOf } from "./loki-records.ts";
import { openLokiDouble } from "./testing/backend-doubles.ts";

const record: LogRecord = {
  ...{ seq: 7, timeUnixNano: "1800000000000000001", severity: "warn", body: "trying again" },
  ...{ service: "lab-server", traceId: "a".repeat(32), spanId: "b".repeat(16) },
  attributes: {
    ...{ "lab.run.id": "r1", "lab.retry.attempt": 1, share: 0.5, cold: true, tags: ["x", "y"] },
    ...{ reason: "1", "user.id": "007" },
  },
};

test("a record that went through Loki is the record that was sent", async () => {
  const loki = await openLokiDouble();
  loki.put(record);
  loki.put({ ...record, traceId: null, attributes: { "lab.run.id": "r2" } });
  const source = openLokiSource(() => loki.url);
  const lines = await source.logs(logsOfTrace("a".repeat(32)));
  expect(recordsOf(lines, [record])).toEqual([{ ...record, seq: 0 }]);
  expect(await source.logs(logsOfRun("r1"))).toEqual(lines);
  await loki.close();
});

test("names and types come from records that are known, values from Loki alone", () => {
  const line = { ...record, labels: { lab_retry_attempt: "2", cold: "false", other_name: "z" } };
  const [found] = recordsOf([line], [record]);
  expect(found?.attributes).toEqual({ "lab.retry.attempt": 2, cold: false, other_name: "z" });
  const [unknown] = recordsOf([line], []);
  // The lab's own names are known without.
  expect(unknown?.attributes).toEqual({
    ...{ "lab.retry.attempt": "2", cold: "false", other_name: "z" },
  });
});

test("lines that say the same are told apart", () => {
  const line = { ...record, labels: {} };
  expect(new Set(recordsOf([line, line, line], []).map(({ seq }) => seq)).size).toBe(3);
});
