import { existsSync, readdirSync } from "node:fs";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDir } from "#lab/supervisor/testing/supervise.ts";
import { makeElsewhere, readElsewhere } from "./elsewhere.ts";
import { removeState } from "./remove-state.ts";

test("everything but the lock goes, also what a service keeps outside", async () => {
  const dir = await temporaryDir();
  await mkdir(join(dir, "postgres"));
  const outside = await makeElsewhere(join(dir, "postgres"), "lab-test-outside-");
  await writeFile(join(outside, "data"), "");
  await writeFile(join(dir, "secrets.json"), "");
  await writeFile(join(dir, "lab.json"), "");
  await removeState(dir);
  expect(readdirSync(dir)).toEqual(["lab.json"]);
  expect(existsSync(outside)).toBe(false);
});

test("a folder outside that was replaced by a link to something else is left alone", async () => {
  const dir = await temporaryDir();
  const victim = await temporaryDir();
  await writeFile(join(victim, "precious"), "");
  await mkdir(join(dir, "postgres"));
  const outside = await makeElsewhere(join(dir, "postgres"), "lab-test-outside-");
  await rm(outside, { recursive: true });
  await symlink(victim, outside);
  expect(await readElsewhere(join(dir, "postgres"))).toBeUndefined();
  await removeState(dir);
  expect(existsSync(join(victim, "precious"))).toBe(true);
  await rm(outside);
});
