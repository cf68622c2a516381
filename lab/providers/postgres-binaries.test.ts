import { mkdir, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDir } from "#lab/supervisor/testing/supervise.ts";
import { healSymlinks, namedPostgres, npmPostgres, systemPostgres } from "./postgres-binaries.ts";

test("links that npm could not pack are made, and those that are there stay", async () => {
  const root = await temporaryDir();
  await mkdir(join(root, "native", "lib"), { recursive: true });
  await writeFile(
    join(root, "native", "pg-symlinks.json"),
    JSON.stringify([
      { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so" },
      { source: "native/lib/libpq.so.5.18", target: "native/lib/libpq.so.5" },
    ]),
  );
  await symlink("another", join(root, "native", "lib", "libpq.so.5"));
  await healSymlinks(root);
  await healSymlinks(root);
  expect(await readlink(join(root, "native", "lib", "libpq.so"))).toBe("libpq.so.5.18");
  expect(await readlink(join(root, "native", "lib", "libpq.so.5"))).toBe("another");
});

test("npm's program runs and tells its version", async () => {
  expect(await npmPostgres({})).toMatchObject({
    kind: "real",
    version: expect.stringMatching(/^18\.\d+ \(npm\)$/),
  });
});

test("the one of PATH comes before those of the system", async () => {
  const npm = await npmPostgres({});
  if (!("path" in npm)) throw new Error(npm.notApplicable);
  const folder = join(npm.path, "..");
  const found = await systemPostgres({ PATH: `/nowhere:${folder}` });
  expect(found).toMatchObject({ path: npm.path });
});

test("a program that does not run is no error but a reason", async () => {
  const folder = await temporaryDir();
  await writeFile(join(folder, "initdb"), "", { mode: 0o755 });
  expect(await namedPostgres(join(folder, "postgres"))).toMatchObject({
    notApplicable: expect.stringContaining("does not run"),
  });
  await writeFile(join(folder, "postgres"), "#!/bin/sh\necho libicu missing >&2\nexit 127\n", {
    mode: 0o755,
  });
  expect(await namedPostgres(folder)).toEqual({
    notApplicable: `${folder}/postgres does not run: libicu missing`,
  });
});
