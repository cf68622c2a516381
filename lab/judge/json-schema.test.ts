import { Ajv2020, type AnySchemaObject } from "ajv/dist/2020.js";
import fc from "fast-check";
import { expect, test } from "vitest";
import { loadCatalogue } from "#scenarios/catalogue.ts";
import { expectation } from "./arbitraries.ts";
import { evidenceOf, span } from "./factories.ts";
import { expectationsJsonSchema } from "./json-schema.ts";
import { judge } from "./judge.ts";

const accepts = new Ajv2020({ strict: false }).compile(expectationsJsonSchema() as AnySchemaObject);
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test("every scenario's expectations pass the schema as JSON", async () => {
  for (const [id, scenario] of await loadCatalogue()) {
    accepts(asJson(scenario.expect));
    expect(accepts.errors, id).toBeNull();
  }
});

test.each([
  ["an unknown key", { signal: "span", select: { name: "a" }, cuont: 1, why: "w", hint: "h" }],
  ["no reason", { signal: "span", select: { name: "a" } }],
  ["an unknown signal", { signal: "spam", why: "w", hint: "h" }],
  ["a wrong type", { signal: "span", select: { name: { gte: [] } }, why: "w", hint: "h" }],
])("the schema refuses %s", (_, wrong) => {
  expect(accepts([wrong])).toBe(false);
});

test("an expectation judges the same after a round trip through JSON", () => {
  const evidence = evidenceOf({
    spans: [span({ name: "a" }), span({ name: "b", attributes: { k: "a" } })],
  });
  const data = expectation.filter(({ signal }) => signal !== "check");
  fc.assert(
    fc.property(data, (one) => {
      const back = asJson(one) as typeof one;
      expect(judge([back], evidence)).toEqual(judge([one], evidence));
    }),
    { numRuns: 500 },
  );
});
