import { expect, test } from "vitest";
import { loadCatalogue, scenariosFolder } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { unfitScenarios } from "./unfit.ts";

const folder = scenariosFolder({});

test("every scenario of this clone can be judged", async () => {
  expect([...(await unfitScenarios(await loadCatalogue(folder), folder))]).toEqual([]);
});

test("what is wrong with a scenario is told with file and line, and how much more there is", async () => {
  const right = (await loadCatalogue(folder)).get("db.n-plus-one") as Scenario;
  const [first, ...more] = right.expect;
  const wrong = { ...right, expect: [first, ...more].map((one) => ({ ...one, nmae: "x" })) };
  const unfit = await unfitScenarios(new Map([[wrong.id, wrong as unknown as Scenario]]), folder);
  expect(unfit.get("db.n-plus-one")).toMatch(
    /^scenarios\/db\/n-plus-one\.ts:\d+: expect\[0\]\.nmae unknown key nmae \(and \d+ more\)$/,
  );
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
