import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { choice, flag, integer } from "./param-spec.ts";
import { parseParams } from "./params.ts";

const spec = {
  n: integer({ label: "n", default: 50, min: 10, max: 500, step: 10 }),
  kind: choice({ label: "kind", default: "a", options: ["a", "b"] }),
  on: flag({ label: "on", default: true }),
};

describe("parameters", () => {
  test("take their defaults when nothing is given", () => {
    expect(parseParams(spec, {})).toEqual({ ok: true, values: { n: 50, kind: "a", on: true } });
  });

  test("are taken over when they fit", () => {
    const values = { n: 500, kind: "b", on: false };
    expect(parseParams(spec, values)).toEqual({ ok: true, values });
  });

  test.each([
    ["n", 9],
    ["n", 510],
    ["n", 55],
    ["n", 10.5],
    ["n", Number.NaN],
    ["n", Number.POSITIVE_INFINITY],
    ["n", "50"],
    ["n", null],
    ["n", [50]],
    ["kind", "c"],
    ["kind", "'; drop table orders"],
    ["kind", 1],
    ["on", "true"],
    ["on", 1],
    ["other", 1],
    ["toString", 1],
    ["constructor", {}],
  ])("%s = %j is refused by name", (name, value) => {
    const parsed = parseParams(spec, { [name]: value });
    expect(parsed).toMatchObject({ ok: false, problems: [expect.stringContaining(name)] });
  });

  test("report all problems at once", () => {
    const parsed = parseParams(spec, { n: 1, kind: "z", on: 0, more: 1 });
    expect(parsed.ok ? [] : parsed.problems).toHaveLength(4);
  });

  test("never reach a prototype", () => {
    const input = JSON.parse('{"__proto__":{"n":10},"n":20}');
    expect(parseParams(spec, input)).toMatchObject({ ok: false });
    expect(({} as Record<string, unknown>).n).toBeUndefined();
  });

  test("are within their limits whenever they are accepted", () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom("n", "kind", "on", "x"), fc.anything()),
        (input) => {
          const parsed = parseParams(spec, input);
          if (!parsed.ok) return;
          const { n } = parsed.values;
          expect(typeof n === "number" && n >= 10 && n <= 500 && n % 10 === 0).toBe(true);
          expect(["a", "b"]).toContain(parsed.values.kind);
          expect(typeof parsed.values.on).toBe("boolean");
        },
      ),
      { numRuns: 1000 },
    );
  });
});
