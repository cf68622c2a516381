import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadCatalogue } from "./catalogue.ts";
import { describeExpectation } from "./describe.ts";
import type { Expectation } from "./expectation.ts";
import type { Mode } from "./mode.ts";
import { parseParams } from "./params.ts";

const catalogue = await loadCatalogue();
const scenarios = [...catalogue.values()];

test("the first six are there", () => {
  expect([...catalogue.keys()]).toEqual(
    expect.arrayContaining([
      "db.connection-reset",
      "db.missing-index",
      "db.n-plus-one",
      "run.handled-error",
      "run.uncaught-crash",
      "ui.render-error",
    ]),
  );
});

describe.each(scenarios)("$id", (scenario) => {
  test("its defaults are within their own limits", () => {
    expect(parseParams(scenario.params, {})).toMatchObject({ ok: true });
  });

  test("it tells its story in words", () => {
    expect(scenario.summary.length).toBeLessThan(120);
    expect(scenario.story.split("\n\n").length).toBeGreaterThanOrEqual(3);
  });

  test("it can be run: by the app, or in the browser", () => {
    expect(scenario.serve !== undefined || scenario.stage === true).toBe(true);
  });

  test("every mode has an expectation, and none is for a mode it has not", () => {
    const expected = new Set(scenario.expect.flatMap<Mode>(({ modes }) => modes ?? ["fault"]));
    expect([...expected].sort()).toEqual([...scenario.modes].sort());
  });

  test("an expectation reads differently from every other, and says why", () => {
    const lines = scenario.expect.map(
      (one) => `${describeExpectation(one)} ${(one.modes ?? ["fault"]).join()}`,
    );
    expect(new Set(lines).size).toBe(lines.length);
    for (const { why, hint } of scenario.expect) {
      expect(why.length).toBeGreaterThan(20);
      expect(hint.length).toBeGreaterThan(20);
    }
  });

  test("placeholders name parameters that exist", () => {
    const texts = JSON.stringify(scenario.expect);
    for (const [, name] of texts.matchAll(/\$\{params\.(\w+)\}/g)) {
      expect(scenario.params).toHaveProperty(name ?? "");
    }
  });

  test("it is data but for its functions: it survives JSON", () => {
    const copy = JSON.parse(JSON.stringify(scenario.expect)) as readonly Expectation[];
    expect(copy).toEqual(
      scenario.expect.map((one) => (one.signal === "check" ? { ...one, check: undefined } : one)),
    );
  });
});

describe("a folder of scenarios", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "lab-catalogue-"));
    await mkdir(join(folder, "db"));
  });
  afterEach(() => rm(folder, { recursive: true }));
  const load = () => loadCatalogue(pathToFileURL(`${folder}/`));

  test("is read by file name; tests and other files are left out", async () => {
    await writeFile(join(folder, "db", "b.ts"), 'export default { id: "db.b" };');
    await writeFile(join(folder, "db", "a.ts"), 'export default { id: "db.a" };');
    await writeFile(join(folder, "db", "a.test.ts"), "throw new Error();");
    await writeFile(join(folder, "db", "notes.md"), "x");
    expect([...(await load()).keys()]).toEqual(["db.a", "db.b"]);
  });

  test("names the file whose id differs from its path", async () => {
    await writeFile(join(folder, "db", "a.ts"), 'export default { id: "db.other" };');
    await expect(load()).rejects.toThrow(/scenarios\/db\/a\.ts.*"db\.a".*"db\.other"/);
  });

  test("names file and line of what cannot be loaded", async () => {
    await writeFile(
      join(folder, "db", "a.ts"),
      'const id = "db.a";\nexport default { id, nowhere };',
    );
    await expect(load()).rejects.toThrow(/^scenarios\/db\/a\.ts:2: nowhere is not defined$/);
  });

  test("names the file in a folder that is no group, where other sources may be", async () => {
    await mkdir(join(folder, "mine"));
    await writeFile(join(folder, "mine", "shared.ts"), "export const x = 1;");
    expect([...(await load())]).toEqual([]);
    await writeFile(join(folder, "mine", "a.ts"), 'export default { id: "mine.a" };');
    await expect(load()).rejects.toThrow(/scenarios\/mine\/a\.ts: "mine" is no group; .*db, cache/);
  });

  test("names a folder that is not there", async () => {
    await expect(loadCatalogue(pathToFileURL(`${folder}/typo/`))).rejects.toThrow(/typo/);
  });

  test("names the file without a scenario", async () => {
    await writeFile(join(folder, "db", "a.ts"), "export const x = 1;");
    await expect(load()).rejects.toThrow(/scenarios\/db\/a\.ts/);
  });
});
