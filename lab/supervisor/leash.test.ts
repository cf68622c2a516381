import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { type LeashOptions, openLeash, sweepLeftovers } from "./leash.ts";
import { isFree } from "./ports.ts";
import { bootId, identify, isAlive, type ProcessIdentity } from "./process-identity.ts";
import { eventually, temporaryDir } from "./testing/supervise.ts";

const script = fileURLToPath(new URL("./testing/lab-process.ts", import.meta.url));

interface Seen {
  readonly pids: Set<number>;
  readonly ports: Set<number>;
}

/** A lab in a process of its own, with everything it ever ran. */
async function startLab(options: {
  dir: string;
  leash?: LeashOptions;
  stubborn?: boolean;
  /** Its store is paused and resumed all the time. */
  pauses?: boolean;
  /** Resolve at the first message that satisfies this, instead of when all is ready. */
  until?: (message: { state?: string }) => boolean;
}): Promise<{ lab: ChildProcess; seen: Seen }> {
  const { until = () => false, ...settings } = options;
  const lab = spawn(process.execPath, [script], {
    env: { ...process.env, LAB_PROCESS: JSON.stringify(settings) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void lab.kill("SIGKILL"));
  const seen: Seen = { pids: new Set(), ports: new Set() };
  for await (const line of createInterface({ input: lab.stdout as NodeJS.ReadableStream })) {
    const message = JSON.parse(line);
    for (const pid of [message.pid, message.child]) if (pid) seen.pids.add(pid);
    if (message.port) seen.ports.add(message.port);
    if (message.ready || until(message)) break;
  }
  return { lab, seen };
}

async function leavesNothing({ pids, ports }: Seen, withinMs: number): Promise<void> {
  await eventually(() => [...pids].every((pid) => identify(pid) === undefined), withinMs);
  // The kernel closes a process's sockets a moment after it counts as ended.
  await expect
    .poll(() => Promise.all([...ports].map(isFree)), { interval: 20 })
    .not.toContain(false);
}

describe("kill -9 of the lab", () => {
  test.each([
    { with: "both ways", leash: {} },
    { with: "the watchdog alone", leash: { deathSignal: false } },
  ])("leaves nothing after 3 s, not even what ignores SIGTERM, with $with", async ({ leash }) => {
    const { lab, seen } = await startLab({ dir: await temporaryDir(), leash, stubborn: true });
    expect(seen.pids.size).toBe(3);
    lab.kill("SIGKILL");
    await leavesNothing(seen, 3_000);
  });

  test("leaves nothing that stands still, at whatever moment of a fault it comes", {
    timeout: 60_000,
  }, async () => {
    await Promise.all(
      Array.from({ length: 5 }, async () => {
        const { lab, seen } = await startLab({ dir: await temporaryDir(), pauses: true });
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 300));
        lab.kill("SIGKILL");
        await leavesNothing(seen, 6_000);
      }),
    );
  });

  test.runIf(process.platform === "linux")(
    "ends the services by the death signal alone",
    async () => {
      const leash = { watchdog: false };
      const { lab, seen } = await startLab({ dir: await temporaryDir(), leash });
      const [store, server, child] = [...seen.pids];
      // It binds a service, and not what that has started.
      onTestFinished(() => void process.kill(child as number, "SIGKILL"));
      lab.kill("SIGKILL");
      await eventually(() => !identify(store as number) && !identify(server as number), 3_000);
    },
  );

  test("leaves nothing in the middle of the start", async () => {
    const dir = await temporaryDir();
    const { lab, seen } = await startLab({ dir, until: ({ state }) => state === "starting" });
    lab.kill("SIGKILL");
    await leavesNothing(seen, 3_000);
  });

  test("what both ways missed is swept by the next start", async () => {
    const dir = await temporaryDir();
    const leash = { watchdog: false, deathSignal: false };
    const first = await startLab({ dir, leash, stubborn: true });
    first.lab.kill("SIGKILL");
    await new Promise((resolve) => first.lab.once("exit", resolve));
    const [store] = [...first.seen.pids];
    expect(identify(store as number)).toBeDefined();
    const swept = await sweepLeftovers(dir, 200);
    expect(swept).toHaveLength(2);
    await leavesNothing(first.seen, 1_000);
    expect(await readdir(join(dir, "groups"))).toEqual([]);
  });
});

describe("the sweep", () => {
  const sleeper = async () => {
    const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    return child.pid as number;
  };
  const record = async (dir: string, ...lines: string[]) => {
    await mkdir(join(dir, "groups"), { recursive: true });
    await writeFile(join(dir, "groups", "1"), lines.join("\n"));
  };
  const gone = `owner 1 0 ${bootId()}`;

  test("ends a recorded process, and only that", async () => {
    const dir = await temporaryDir();
    const [ours, reused] = [await sleeper(), await sleeper()];
    const start = identify(ours)?.start;
    await record(dir, gone, `${ours} ${start}`, `${reused} 12345`, "garbage", "0 0", "-1 5", "1 5");
    expect(await sweepLeftovers(dir, 1_000)).toEqual([ours]);
    await eventually(() => identify(ours) === undefined, 1_000);
    expect(identify(reused), "its pid was recorded, with another start time").toBeDefined();
  });

  test("touches nothing of another boot, nor of a lab that still runs", async () => {
    const dir = await temporaryDir();
    const pid = await sleeper();
    const line = `${pid} ${identify(pid)?.start}`;
    await record(dir, "owner 1 0 another-boot", line);
    expect(await sweepLeftovers(dir)).toEqual([]);
    await record(dir, `owner ${process.pid} ${identify(process.pid)?.start} ${bootId()}`, line);
    expect(await sweepLeftovers(dir)).toEqual([]);
    expect(identify(pid)).toBeDefined();
  });
});

test("a leash that is let go ends its watchdog and removes its file", async () => {
  const dir = await temporaryDir();
  const leash = await openLeash(dir);
  const file = join(dir, "groups", String(process.pid));
  expect(existsSync(file)).toBe(true);
  leash.release();
  expect(existsSync(file)).toBe(false);
  await eventually(() => watchdogsOf(file).length === 0, 2_000);
});

test.runIf(process.platform === "linux")(
  "a watchdog that is slow to hear that it was let go leaves those of the next leash alone",
  async () => {
    const dir = await temporaryDir();
    const file = join(dir, "groups", String(process.pid));
    const first = await openLeash(dir);
    const [slow] = watchdogsOf(file);
    process.kill(Number(slow), "SIGSTOP");
    first.release();
    const next = await openLeash(dir);
    onTestFinished(next.release);
    const child = spawn("sleep", ["600"], { detached: true, stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    const held = identify(child.pid as number) as ProcessIdentity;
    next.hold(held);
    process.kill(Number(slow), "SIGCONT");
    await eventually(() => identify(Number(slow)) === undefined, 5_000);
    expect(isAlive(held)).toBe(true);
    expect(readFileSync(file, "utf8")).toContain(`${held.pid} ${held.start}`);
  },
);

/** Pids of the processes that have this file as an argument. */
function watchdogsOf(file: string): readonly string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(file);
      } catch {
        return false;
      }
    });
}
