import { existsSync, readdirSync, statSync } from "node:fs";
import { rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDir } from "#lab/supervisor/testing/supervise.ts";
import { makeElsewhere, readElsewhere, removeElsewhere } from "./elsewhere.ts";

test("a folder outside is found again, others may pass through it and not list it, and it goes", async () => {
  const dir = await temporaryDir();
  const outside = await makeElsewhere(dir, "lab-test-outside-");
  expect(await readElsewhere(dir)).toBe(outside);
  expect(statSync(outside).mode & 0o777).toBe(0o711);
  await writeFile(join(outside, "data"), "");
  await removeElsewhere(dir);
  expect(existsSync(outside)).toBe(false);
  expect(readdirSync(dir)).toEqual([]);
});

test("a folder without one is left as it is, also when it is a file", async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, "secrets.json"), "");
  await removeElsewhere(join(dir, "secrets.json"));
  await removeElsewhere(dir);
  expect(readdirSync(dir)).toEqual(["secrets.json"]);
});

test("a folder outside that was replaced by a link to something else is left alone", async () => {
  const dir = await temporaryDir();
  const victim = await temporaryDir();
  await writeFile(join(victim, "precious"), "");
  const outside = await makeElsewhere(dir, "lab-test-outside-");
  await rm(outside, { recursive: true });
  await symlink(victim, outside);
  expect(await readElsewhere(dir)).toBeUndefined();
  await removeElsewhere(dir);
  expect(existsSync(join(victim, "precious"))).toBe(true);
  await rm(outside);
});
