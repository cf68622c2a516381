import { expect, test } from "vitest";
import { parseExposition } from "#lab/sources/openmetrics.ts";
import { openTestStore } from "./testing/open.ts";
import { newTraceId, span, text, tracesProtobuf } from "./testing/payload.ts";

const at = Date.now();
const root = (scenario: string, mode: string, startedAt: number) =>
  span({
    traceId: newTraceId(),
    name: `scenario.run ${scenario}`,
    startTimeUnixNano: `${startedAt}000000`,
    endTimeUnixNano: `${startedAt + 5}000000`,
    attributes: [text("lab.scenario.mode", mode)],
  });

test("the store tells when each scenario was last run in each mode", async () => {
  const store = await openTestStore();
  const send = (...spans: ReturnType<typeof root>[]) =>
    fetch(`${store.url}/v1/traces`, {
      method: "POST",
      headers: { "content-type": "application/x-protobuf" },
      body: tracesProtobuf(spans),
    });
  const starts = async () => {
    const answer = await fetch(`${store.url}/metrics`);
    expect(answer.headers.get("content-type")).toContain("application/openmetrics-text");
    return parseExposition(await answer.text(), "openmetrics")
      .samples.filter(({ name }) => name === "lab_run_started_timestamp_seconds")
      .map(({ labels, value }) => [labels.scenario, labels.mode, Math.round(value * 1000) - at]);
  };
  expect(await starts()).toEqual([]);
  await send(root("db.a", "fault", at), root("db.b", "fix", at), span({ name: "GET /api" }));
  expect(await starts()).toEqual([
    ["db.a", "fault", 0],
    ["db.b", "fix", 0],
  ]);
  await send(
    root("db.a", "fault", at + 700),
    root("db.a", "control", at),
    root("db.b", "fix", at - 9),
  );
  expect(await starts()).toEqual([
    ["db.a", "fault", 700],
    ["db.b", "fix", 0],
    ["db.a", "control", 0],
  ]);
});
