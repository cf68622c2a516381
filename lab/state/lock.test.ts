import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { bootId, identify } from "#lab/supervisor/process-identity.ts";
import { temporaryDir } from "#lab/supervisor/testing/supervise.ts";
import { acquireLock, readRunning } from "./lock.ts";

const record = (pid: number, start: string | undefined, origin: string | null = null) =>
  JSON.stringify({ version: 1, pid, start, boot: bootId(), since: 0, origin });

async function sleeper(): Promise<number> {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child.pid as number;
}

test("a second start is told where the first runs, and disturbs nothing", async () => {
  const dir = await temporaryDir();
  const pid = await sleeper();
  const text = record(pid, identify(pid)?.start, "http://localhost:4700");
  await writeFile(join(dir, "lab.json"), text);
  await expect(acquireLock(dir)).rejects.toMatchObject({
    code: "already-running",
    message: `The lab already runs at http://localhost:4700 (pid ${pid}).`,
    hint: expect.stringContaining("npm run lab -- down"),
  });
  expect(await readFile(join(dir, "lab.json"), "utf8")).toBe(text);
  expect(await readRunning(dir)).toMatchObject({ pid, origin: "http://localhost:4700" });
});

test("the lock is published, and gone once released", async () => {
  const dir = await temporaryDir();
  const lock = await acquireLock(dir);
  expect(await readRunning(dir)).toMatchObject({ pid: process.pid, origin: null });
  await lock.publish("http://localhost:4701");
  expect(await readRunning(dir)).toMatchObject({ origin: "http://localhost:4701" });
  await lock.release();
  expect(await readRunning(dir)).toBeUndefined();
  expect(await readdir(dir)).toEqual([]);
});

test("a lock is not released by one that has lost it", async () => {
  const dir = await temporaryDir();
  const lock = await acquireLock(dir);
  const pid = await sleeper();
  await writeFile(join(dir, "lab.json"), record(pid, identify(pid)?.start));
  await lock.release();
  expect(await readRunning(dir)).toMatchObject({ pid });
});

test("the record of a dead lab gives way", async () => {
  const dir = await temporaryDir();
  const child = spawn("true");
  const start = identify(child.pid as number)?.start ?? "1";
  await once(child, "exit");
  await writeFile(join(dir, "lab.json"), record(child.pid as number, start));
  expect(await readRunning(dir)).toBeUndefined();
  const lock = await acquireLock(dir);
  expect(await readRunning(dir)).toMatchObject({ pid: process.pid });
  await lock.release();
});

test("a pid used by another program since is not taken for the lab", async () => {
  const dir = await temporaryDir();
  const pid = await sleeper();
  await writeFile(join(dir, "lab.json"), record(pid, "12345"));
  const lock = await acquireLock(dir);
  expect(await readRunning(dir)).toMatchObject({ pid: process.pid });
  expect(identify(pid)).toBeDefined();
  await lock.release();
});

test("of many starts over a dead record exactly one wins", async () => {
  const dir = await temporaryDir();
  await writeFile(join(dir, "lab.json"), record(2 ** 22 + 1, "1"));
  const starts = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(dir)));
  expect(starts.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const start of starts)
    if (start.status === "rejected")
      expect(start.reason).toMatchObject({ code: "already-running" });
});

test("a file that cannot be read is set aside, and the start goes on", async () => {
  const dir = await temporaryDir();
  const whole = record(process.pid, identify(process.pid)?.start);
  const broken = fc.oneof(
    fc.nat({ max: whole.length - 1 }).map((length) => whole.slice(0, length)),
    fc.uint8Array({ maxLength: 200 }),
    fc.constant(whole.replace('"version":1', '"version":99')),
    fc.json(),
  );
  await fc.assert(
    fc.asyncProperty(broken, async (text) => {
      await writeFile(join(dir, "lab.json"), text);
      expect(await readRunning(dir)).toBeUndefined();
      const lock = await acquireLock(dir);
      await lock.release();
    }),
    { numRuns: 100 },
  );
  expect((await readdir(dir)).some((name) => /^lab\.json\.bad-/.test(name))).toBe(true);
});
