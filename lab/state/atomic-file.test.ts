import { execFileSync } from "node:child_process";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fakeService } from "#lab/supervisor/testing/fake-descriptors.ts";
import { remountDisk, smallDisk } from "#lab/supervisor/testing/small-disk.ts";
import { rowOf, superviseInTest, temporaryDir } from "#lab/supervisor/testing/supervise.ts";
import { writeFileAtomic } from "./atomic-file.ts";
import { openLabDir } from "./lab-dir.ts";
import { acquireLock } from "./lock.ts";
import { loadSecrets } from "./secrets.ts";

async function fill(dir: string): Promise<void> {
  await writeFile(join(dir, "ballast"), Buffer.alloc(1024 * 1024)).catch(() => {});
}

test("a file is replaced whole, with its mode", async () => {
  const path = join(await temporaryDir(), "a.json");
  await writeFileAtomic(path, "one", 0o600);
  await writeFileAtomic(path, "two", 0o600);
  expect(await readFile(path, "utf8")).toBe("two");
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a full disk is told with path, free bytes and what to do; the old file stays", async (context) => {
  const dir = await smallDisk(64 * 1024);
  if (!dir) return context.skip("mounting a small disk is not allowed here");
  const path = join(dir, "state.json");
  await writeFileAtomic(path, "old");
  await fill(dir);
  await expect(writeFileAtomic(path, "x".repeat(100_000))).rejects.toMatchObject({
    code: "disk-full",
    message: expect.stringMatching(/No space left to write \S+state\.json \(\d+ bytes free\)/),
    hint: expect.stringContaining("LAB_DIR="),
  });
  expect(await readFile(path, "utf8")).toBe("old");
  expect((await readdir(dir)).sort()).toEqual(["ballast", "state.json"]);
  await expect(loadSecrets(dir)).rejects.toMatchObject({ code: "disk-full" });
  await expect(acquireLock(dir)).rejects.toMatchObject({ code: "disk-full" });
});

test("a lab on a full disk says so, and starts once there is space again", async (context) => {
  const dir = await smallDisk(64 * 1024);
  if (!dir) return context.skip("mounting a small disk is not allowed here");
  await fill(dir);
  const lab = await superviseInTest([fakeService("server")], { dir, backOffMs: () => 20 });
  await expect(lab.ready()).rejects.toMatchObject({ code: "disk-full" });
  expect(rowOf(lab, "server").note).toContain("No space left");
  execFileSync("rm", [join(dir, "ballast")]);
  await expect.poll(() => rowOf(lab, "server").state).toBe("ready");
  await lab.shutdown();
});

test("a state folder below a file is refused with a hint", async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, "file"), "");
  await expect(openLabDir(join(dir, "file", "lab"))).rejects.toMatchObject({
    code: "state-unwritable",
  });
});

test("a state folder that cannot be written is refused with a hint", async (context) => {
  const dir = process.getuid?.() === 0 ? await smallDisk(64 * 1024) : await temporaryDir();
  if (!dir) return context.skip("root writes everywhere, and mounting is not allowed here");
  if (process.getuid?.() === 0) remountDisk(dir, "ro");
  else await chmod(dir, 0o500);
  await expect(openLabDir(dir)).rejects.toMatchObject({
    code: "state-unwritable",
    message: expect.stringContaining(dir),
    hint: expect.stringContaining("LAB_DIR="),
  });
  await expect(loadSecrets(dir)).rejects.toMatchObject({ code: "state-unwritable" });
  await expect(acquireLock(dir)).rejects.toMatchObject({ code: "state-unwritable" });
});
