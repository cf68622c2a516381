import { expect, test } from "vitest";
import type { ServiceStatus } from "#lab/api/services.ts";
import { identify } from "./process-identity.ts";
import { fakeService } from "./testing/fake-descriptors.ts";
import { ask, eventually, inState, rowOf, rowWhen, superviseInTest } from "./testing/supervise.ts";

const backOffMs = () => 10;

test("kill -9 of any child is noticed by its end and healed at the next try", async () => {
  const ids = ["store", "server"] as const;
  const lab = await superviseInTest([
    fakeService("store"),
    fakeService("server", { dependsOn: ["store"] }),
  ]);
  await lab.ready();
  for (const id of ids) {
    const { pid, port } = rowOf(lab, id);
    process.kill(pid as number, "SIGKILL");
    const noticed = await rowWhen(lab, id, inState("backing-off"));
    // No probe would know the signal.
    expect(noticed.note).toContain("was ended by SIGKILL; next try in 0.25 s");
    const healed = await rowWhen(lab, id, inState("ready"));
    expect(healed).toMatchObject({ restarts: 1, port, note: null });
    expect(healed.pid).not.toBe(pid);
  }
});

test("all killed at once come back, dependants after what they depend on", async () => {
  const lab = await superviseInTest([
    fakeService("store"),
    fakeService("server", { dependsOn: ["store"] }),
  ]);
  await lab.ready();
  for (const row of lab.services()) process.kill(row.pid as number, "SIGKILL");
  const again = (row: ServiceStatus) => row.state === "ready" && row.restarts === 1;
  const [store, server] = await Promise.all([
    rowWhen(lab, "store", again),
    rowWhen(lab, "server", again),
  ]);
  expect(store.startedAt as number).toBeLessThanOrEqual(server.startedAt as number);
});

test("what a crashed service leaves running is ended", async () => {
  const lab = await superviseInTest([fakeService("server", { child: true })]);
  await lab.ready();
  const child = Number((await lab.log("server", 10)).join().match(/child (\d+)/)?.[1]);
  expect(identify(child)).toBeDefined();
  process.kill(rowOf(lab, "server").pid as number, "SIGKILL");
  await rowWhen(lab, "server", inState("backing-off"));
  await eventually(() => identify(child) === undefined, 1_000);
});

test("the fifth crash ends the tries, with the last lines; a start by hand tries again", async () => {
  const says = Array.from({ length: 25 }, (_, n) => `line ${n}.`);
  const lab = await superviseInTest([fakeService("server", { crashes: 3, says })], { backOffMs });
  await expect(lab.ready()).rejects.toMatchObject({ code: "crash-looping" });
  const { note, restarts, state } = rowOf(lab, "server");
  expect({ restarts, state }).toEqual({ restarts: 4, state: "crash-looping" });
  expect(note).toContain("Fake server exited with code 3, five times within a minute.");
  expect(note?.match(/line \d+\./g)).toEqual(says.slice(-20));
  const again = lab.start("server");
  await expect(again).rejects.toMatchObject({ code: "crash-looping" });
  expect(rowOf(lab, "server").restarts).toBe(9);
});

test("leased crashes do not count, and an ended lease counts again", async () => {
  const lab = await superviseInTest([fakeService("server")], { backOffMs });
  await lab.ready();
  const crash = async () => {
    const { restarts } = rowOf(lab, "server");
    await ask(lab.url("server"), "/crash").catch(() => {});
    return rowWhen(
      lab,
      "server",
      (row) => row.state === "crash-looping" || (row.state === "ready" && row.restarts > restarts),
    );
  };
  const endLease = lab.leaseCrashes("server");
  for (let n = 1; n <= 6; n++) expect((await crash()).state).toBe("ready");
  endLease();
  endLease();
  const states = [];
  for (let n = 1; n <= 5; n++) states.push((await crash()).state);
  expect(states).toEqual(["ready", "ready", "ready", "ready", "crash-looping"]);
});
