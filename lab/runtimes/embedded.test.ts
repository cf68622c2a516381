import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ServiceStatus } from "#lab/api.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import { loadSecrets, type Secrets } from "#lab/state/secrets.ts";
import { inState, rowOf, rowWhen } from "#lab/supervisor/testing/supervise.ts";
import type { System } from "#lab/system.ts";
import { openEmbedded } from "./embedded.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

const ids: readonly ServiceId[] = ["postgres", "store", "server"];
let dir: string;
let secrets: Secrets;
let lab: System;

const times = () =>
  lab
    .services()
    .map(({ id, version, startMs }) => `${id} ${version} ${startMs} ms`)
    .join(", ");
const servesHealth = async () => {
  const headers = { "x-lab-door": secrets.doorSecret };
  return (await fetch(`${lab.url("server")}/healthz`, { headers })).status;
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  secrets = await loadSecrets(dir);
  lab = openEmbedded({ dir, secrets, origin: "http://localhost:4700", env: process.env });
  await lab.ready();
  console.log(`cold: ${times()}`);
});

afterAll(async () => {
  await lab.shutdown();
  await rm(dir, { recursive: true, force: true });
});

test("every service is real, has a port of its own, and the server answers", async () => {
  expect(lab.services().map(({ id }) => id)).toEqual(ids);
  for (const row of lab.services())
    expect(row).toMatchObject({ state: "ready", kind: "real", version: expect.any(String) });
  const ports = ["main", "metrics"].map((port) => lab.url("server", port));
  expect(new Set([...ports, lab.url("postgres"), lab.url("store")]).size).toBe(4);
  expect(await servesHealth()).toBe(200);
});

test.each(ids)("%s killed with -9 is noticed within 250 ms and healed", async (id) => {
  const { pid, restarts } = rowOf(lab, id);
  const killedAt = performance.now();
  process.kill(pid as number, "SIGKILL");
  await rowWhen(lab, id, inState("backing-off"));
  expect(performance.now() - killedAt).toBeLessThan(250);
  await rowWhen(lab, id, healedSince(restarts));
  console.log(`${id} ready again after ${Math.round(performance.now() - killedAt)} ms`);
  await expect.poll(servesHealth, { timeout: 10_000 }).toBe(200);
});

test("all of them killed at once come back", async () => {
  const before = lab.services();
  for (const { pid } of before) process.kill(pid as number, "SIGKILL");
  await Promise.all(before.map(({ id, restarts }) => rowWhen(lab, id, healedSince(restarts))));
  expect(await servesHealth()).toBe(200);
});

function healedSince(restarts: number): (row: ServiceStatus) => boolean {
  return (row) => row.state === "ready" && row.restarts > restarts;
}
