import { propagation, ROOT_CONTEXT } from "@opentelemetry/api";
import { expect, test } from "vitest";
import { runAttributes, withRunBaggage } from "./run-baggage.ts";

const runId = "01hxyz01hxyz01hxyz01hxyz01";

test("the run's three entries become attributes, everything else stays baggage", () => {
  const baggage = propagation.createBaggage({
    tenant: { value: "acme" },
    "lab.run.id": { value: "../../etc" },
  });
  const context = withRunBaggage(propagation.setBaggage(ROOT_CONTEXT, baggage), {
    runId,
    scenario: "db.n-plus-one",
    mode: "fault",
  });
  expect(runAttributes(context)).toEqual({
    "lab.run.id": runId,
    "lab.scenario.id": "db.n-plus-one",
    "lab.scenario.mode": "fault",
  });
  expect(propagation.getBaggage(context)?.getEntry("tenant")?.value).toBe("acme");
});

test.each([
  ["lab.run.id", "x".repeat(500)],
  ["lab.run.id", "<script>aaaaaaaaaaaaaaaaaa"],
  ["lab.scenario.id", "no-dot"],
  ["lab.scenario.mode", "chaos"],
])("%s=%s is not taken over", (key, value) => {
  const context = propagation.setBaggage(
    ROOT_CONTEXT,
    propagation.createBaggage({ [key]: { value } }),
  );
  expect(runAttributes(context)).toEqual({});
});
