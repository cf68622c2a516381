import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { commandOf, identify, isAlive, startFromPs } from "./process-identity.ts";

function sleeper() {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

test("a process is itself while it lives, and nobody afterwards", async () => {
  const child = sleeper();
  const who = identify(child.pid as number);
  if (!who) throw new Error("not found");
  expect(isAlive(who)).toBe(true);
  expect(isAlive({ ...who, start: `${who.start}0` })).toBe(false);
  expect(commandOf(who.pid)).toBe("sleep 600");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(isAlive(who)).toBe(false);
  expect(commandOf(who.pid)).toBeUndefined();
});

test.runIf(process.platform === "linux")("a zombie is nobody, whatever its name", async () => {
  // The shell becomes `sleep` and never waits for its child, whose name has blanks and brackets.
  const parent = spawn("sh", [
    "-c",
    "cp /bin/true '/tmp/lab test) Z'; '/tmp/lab test) Z' & echo $!; exec sleep 600",
  ]);
  onTestFinished(() => {
    parent.kill("SIGKILL");
    execFileSync("rm", ["-f", "/tmp/lab test) Z"]);
  });
  const [text] = await once(parent.stdout, "data");
  await expect.poll(() => identify(Number(text))).toBeUndefined();
});

test.runIf(process.platform !== "win32")(
  "ps tells the same start to us and to the watchdog",
  () => {
    const pid = sleeper().pid as number;
    const start = startFromPs(pid);
    expect(start).toMatch(/^\w{3}_\w{3}_\d+_[\d:]+_\d{4}$/);
    const script = `LC_ALL=C ps -o lstart= -p ${pid} | tr -s ' ' _ | sed 's/_$//'`;
    expect(execFileSync("sh", ["-c", script], { encoding: "utf8" }).trim()).toBe(start);
  },
);
