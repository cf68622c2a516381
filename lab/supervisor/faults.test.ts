import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fakeService } from "./testing/fake-descriptors.ts";
import { inState, rowOf, rowWhen, superviseInTest, within } from "./testing/supervise.ts";

const asks = async (url: string | undefined, withinMs: number): Promise<string> => {
  try {
    return String((await fetch(url ?? "", { signal: AbortSignal.timeout(withinMs) })).status);
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
};

test("a killed service is noticed as a leased crash and comes back, however often", async () => {
  const supervisor = await superviseInTest([fakeService("store")], { backOffMs: () => 10 });
  await supervisor.ready();
  for (let times = 1; times <= 6; times++) {
    const { pid } = rowOf(supervisor, "store");
    await supervisor.kill("store");
    expect(rowOf(supervisor, "store")).toMatchObject({ state: "backing-off", exitCode: 137 });
    const again = await rowWhen(supervisor, "store", inState("ready"));
    expect(again.pid).not.toBe(pid);
    expect(again.restarts).toBe(times);
  }
});

test("a paused service answers nobody and goes on where it stood", async () => {
  const supervisor = await superviseInTest([fakeService("store", { child: true })]);
  await supervisor.ready();
  const { pid } = rowOf(supervisor, "store");
  await supervisor.pause("store");
  await supervisor.pause("store");
  expect(supervisor.paused()).toEqual(["store"]);
  expect(await asks(supervisor.url("store"), 150)).toBe("TimeoutError");
  await supervisor.resume("store");
  expect(supervisor.paused()).toEqual([]);
  expect(await asks(supervisor.url("store"), 10_000)).toBe("200");
  expect(rowOf(supervisor, "store")).toMatchObject({ pid, state: "ready", restarts: 0 });
});

test("the processes below a service stand still and go on with it", async () => {
  const supervisor = await superviseInTest([fakeService("store", { child: true })]);
  await supervisor.ready();
  const child = Number(/child (\d+)/.exec((await supervisor.log("store", 50)).join("\n"))?.[1]);
  const state = () =>
    process.platform === "linux"
      ? readFileSync(`/proc/${child}/stat`, "utf8").split(") ")[1]?.[0]
      : undefined;
  if (state() === undefined) return;
  await supervisor.pause("store");
  await expect.poll(state).toBe("T");
  await supervisor.resume("store");
  await expect.poll(state).toBe("S");
});

test("a paused service stops in order, without waiting for the end of its grace", async () => {
  const supervisor = await superviseInTest([
    fakeService("store", { stop: { signal: "SIGTERM", graceMs: 15_000 } }),
  ]);
  await supervisor.ready();
  await supervisor.pause("store");
  await within(10_000, supervisor.stop("store"));
  expect(rowOf(supervisor, "store")).toMatchObject({ state: "stopped", exitCode: 0 });
  expect(supervisor.paused()).toEqual([]);
});

test("what does not run can neither be killed nor paused", async () => {
  const supervisor = await superviseInTest([fakeService("store")]);
  await supervisor.ready();
  await supervisor.stop("store");
  await expect(supervisor.kill("store")).rejects.toMatchObject({ code: "service-not-running" });
  await expect(supervisor.pause("store")).rejects.toMatchObject({ code: "service-not-running" });
});
