import { expect, test } from "vitest";
import { identify } from "./process-identity.ts";
import { fakeService } from "./testing/fake-descriptors.ts";
import { rowOf, rowWhen, superviseInTest, within } from "./testing/supervise.ts";

test("dependants stop first, and nothing is left", async () => {
  const lab = await superviseInTest([
    fakeService("store", { child: true }),
    fakeService("server", { dependsOn: ["store"] }),
  ]);
  await lab.ready();
  const pids = lab.services().map(({ pid }) => pid as number);
  const stopped: string[] = [];
  lab.subscribe((row) => {
    if (row.state === "stopped") stopped.push(row.id);
  });
  await lab.shutdown();
  expect(stopped).toEqual(["server", "store"]);
  expect(pids.map((pid) => identify(pid))).toEqual([undefined, undefined]);
  await expect(lab.start("store")).rejects.toMatchObject({ code: "stopping" });
});

test("a stubborn child gets SIGKILL after its grace, and all is over within 5 s", async () => {
  const lab = await superviseInTest([
    fakeService("store", { stubborn: true, stop: { signal: "SIGTERM", graceMs: 300 } }),
    fakeService("server", {
      stubborn: true,
      dependsOn: ["store"],
      stop: { signal: "SIGTERM", graceMs: 60_000 },
    }),
  ]);
  await lab.ready();
  await within(5_000, lab.shutdown());
  expect(lab.services().map(({ state }) => state)).toEqual(["stopped", "stopped"]);
});

test("a second shutdown forces", async () => {
  const lab = await superviseInTest([
    fakeService("server", { stubborn: true, stop: { signal: "SIGTERM", graceMs: 60_000 } }),
  ]);
  await lab.ready();
  const first = lab.shutdown();
  await within(1_000, Promise.all([first, lab.shutdown()]));
});

test("a shutdown while services are starting leaves nothing", async () => {
  const lab = await superviseInTest([fakeService("server", { status: 503 })]);
  const { pid } = await rowWhen(lab, "server", (row) => row.pid !== null);
  await lab.shutdown();
  expect(identify(pid as number)).toBeUndefined();
  await expect(lab.ready()).rejects.toMatchObject({ code: "service-stopped" });
});

test("one service can be stopped, started and restarted by hand", async () => {
  const lab = await superviseInTest([fakeService("server")]);
  await lab.ready();
  await lab.stop("server");
  expect(rowOf(lab, "server")).toMatchObject({ state: "stopped", pid: null });
  await lab.start("server");
  const { pid } = rowOf(lab, "server");
  await lab.restart("server");
  expect(rowOf(lab, "server")).toMatchObject({ state: "ready", restarts: 2 });
  expect(rowOf(lab, "server").pid).not.toBe(pid);
});

test("starting a service starts what it depends on", async () => {
  const lab = await superviseInTest([
    fakeService("store"),
    fakeService("server", { dependsOn: ["store"] }),
  ]);
  await lab.ready();
  await Promise.all([lab.stop("server"), lab.stop("store")]);
  await lab.start("server");
  expect(lab.services().map(({ state }) => state)).toEqual(["ready", "ready"]);
});
