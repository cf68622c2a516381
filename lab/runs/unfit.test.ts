import { expect, test } from "vitest";
import { loadCatalogue, scenariosFolder } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { unfitScenarios } from "./unfit.ts";

const folder = scenariosFolder({});

test("every scenario of this clone can be judged", async () => {
  expect([...(await unfitScenarios(await loadCatalogue(folder), folder))]).toEqual([]);
});

test("all that is wrong with a scenario is told with file and line", async () => {
  const right = (await loadCatalogue(folder)).get("db.n-plus-one") as Scenario;
  const [first, ...more] = right.expect;
  const wrong = { ...right, expect: [first, ...more].map((one) => ({ ...one, nmae: "x" })) };
  const unfit = await unfitScenarios(new Map([[wrong.id, wrong as unknown as Scenario]]), folder);
  const told = unfit.get("db.n-plus-one")?.split("; ") ?? [];
  expect(told).toHaveLength(right.expect.length);
  for (const [index, problem] of told.entries()) {
    expect(problem).toMatch(/^scenarios\/db\/n-plus-one\.ts:\d+: /);
    expect(problem).toContain(`: expect[${index}].nmae unknown key nmae`);
  }
});

test("exact changes of a metric need the run to be alone with it", async () => {
  const loose = [...(await loadCatalogue(folder)).values()].filter(
    ({ leases, expect: expectations }) =>
      !leases?.includes("metrics") &&
      expectations.some(
        (one) =>
          one.signal === "metric" &&
          (one.returnsTo !== undefined ||
            (one.delta !== undefined &&
              !(
                typeof one.delta === "object" &&
                Object.keys(one.delta).every((key) => key.startsWith("gt"))
              ))),
      ),
  );
  expect(loose.map(({ id }) => id)).toEqual([]);
});
