import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { ServiceStatus } from "#lab/api/services.ts";
import type { ServiceId } from "#lab/services/ids.ts";
import { loadSecrets, type Secrets } from "#lab/state/secrets.ts";
import { inState, rowOf, rowWhen } from "#lab/supervisor/testing/supervise.ts";
import type { System } from "#lab/system.ts";
import { openEmbedded } from "./embedded.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

/** What every machine has, real or as a stand-in. */
const ids: readonly ServiceId[] = ["postgres", "keycloak", "valkey", "minio", "store", "server"];
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

test("every service is ready or absent by design, has a port of its own, and the server answers", async () => {
  const rows = lab.services();
  for (const id of ids)
    expect(rowOf(lab, id)).toMatchObject({ state: "ready", version: expect.any(String) });
  for (const row of rows.filter(({ id }) => !ids.includes(id)))
    expect([
      ["ready", "real"],
      ["unavailable", "absent"],
    ]).toContainEqual([row.state, row.kind]);
  const urls = [...rows.map(({ url }) => url), lab.url("server", "metrics")].filter(Boolean);
  expect(new Set(urls).size).toBe(urls.length);
  expect(await servesHealth()).toBe(200);
});

test.each(ids)("%s killed with -9 is noticed by its end and healed", async (id) => {
  const { pid, restarts } = rowOf(lab, id);
  const killedAt = performance.now();
  process.kill(pid as number, "SIGKILL");
  const { note } = await rowWhen(lab, id, inState("backing-off"));
  expect(note).toContain("was ended by SIGKILL");
  await rowWhen(lab, id, healedSince(restarts));
  console.log(`${id} ready again after ${Math.round(performance.now() - killedAt)} ms`);
  await expect.poll(servesHealth).toBe(200);
});

test("all of them killed at once come back", async () => {
  const before = lab.services().filter(({ pid }) => pid !== null);
  for (const { pid } of before) process.kill(pid as number, "SIGKILL");
  await Promise.all(before.map(({ id, restarts }) => rowWhen(lab, id, healedSince(restarts))));
  expect(await servesHealth()).toBe(200);
});

function healedSince(restarts: number): (row: ServiceStatus) => boolean {
  return (row) => row.state === "ready" && row.restarts > restarts;
}
