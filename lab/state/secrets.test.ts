import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { temporaryDir } from "#lab/supervisor/testing/supervise.ts";
import { loadSecrets } from "./secrets.ts";

test("secrets are made once, differ from each other, and only the owner can read them", async () => {
  const dir = await temporaryDir();
  const secrets = await loadSecrets(dir);
  expect(await loadSecrets(dir)).toEqual(secrets);
  const values = Object.values(secrets).flat();
  expect(new Set(values).size).toBe(12);
  for (const value of values) expect(Buffer.from(value, "base64url")).toHaveLength(32);
  expect((await stat(join(dir, "secrets.json"))).mode & 0o777).toBe(0o600);
});

test("a file that others could read is closed to them", async () => {
  const dir = await temporaryDir();
  await loadSecrets(dir);
  await chmod(join(dir, "secrets.json"), 0o644);
  await loadSecrets(dir);
  expect((await stat(join(dir, "secrets.json"))).mode & 0o777).toBe(0o600);
});

test("a broken file is set aside and new secrets are made", async () => {
  const dir = await temporaryDir();
  const first = await loadSecrets(dir);
  const whole = await readFile(join(dir, "secrets.json"), "utf8");
  await fc.assert(
    fc.asyncProperty(broken(whole), async (text) => {
      await writeFile(join(dir, "secrets.json"), text);
      const secrets = await loadSecrets(dir);
      expect(secrets.adminPassword).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect(secrets.adminPassword).not.toBe(first.adminPassword);
    }),
    { numRuns: 60 },
  );
  expect((await readdir(dir)).some((name) => /^secrets\.json\.bad-/.test(name))).toBe(true);
});

/** Truncated, empty, binary, of a future version, or of another shape. */
function broken(whole: string) {
  return fc.oneof(
    fc.nat({ max: whole.length - 3 }).map((length) => whole.slice(0, length)),
    fc.uint8Array({ maxLength: 200 }),
    fc.constant(whole.replace('"version": 1', '"version": 2')),
    fc.constant(whole.replace(/"adminPassword": "\w/, '"adminPassword": "')),
    fc.json(),
  );
}
