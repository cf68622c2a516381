import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { ServiceStatus } from "#lab/api/services.ts";
import { pickPort } from "#lab/supervisor/ports.ts";
import { rowOf, rowWhen } from "#lab/supervisor/testing/supervise.ts";
import { openStack } from "./stack.ts";
import { findLeftovers, takeDown } from "./sweep.ts";
import { doubleImage, makeDoubleImage, whyNoContainers } from "./testing/engine-under-test.ts";
import { env, type Lab, openLab } from "./testing/lab-of-doubles.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const unable = await whyNoContainers();
if (unable !== undefined) console.log(`containers are not tried: ${unable}`);

const health = (lab: Lab, id: ServiceStatus["id"], path: string): Promise<number> =>
  fetch(`${lab.system.url(id)}${path}`, { signal: AbortSignal.timeout(1_000) }).then(
    ({ status }) => status,
    () => 0,
  );

describe.skipIf(unable !== undefined)("on an engine", () => {
  let lab: Lab;
  beforeAll(async () => {
    await makeDoubleImage();
    lab = await openLab();
    await lab.system.ready();
  });
  afterAll(() => lab?.close());

  test("what others depend on is healthy before they start", () => {
    const at = (step: string) => lab.order.indexOf(step);
    for (const id of ["prometheus", "tempo", "loki"]) {
      expect(at(`ready ${id}`)).toBeGreaterThan(at(`starting ${id}`));
      expect(at("starting grafana")).toBeGreaterThan(at(`ready ${id}`));
      expect(rowOf(lab.system, id as ServiceStatus["id"]).container?.health).toBe("healthy");
    }
  });

  test("a row tells image, port, limit and memory, and the port answers", async () => {
    const row = await rowWhen(lab.system, "loki", (one) => one.container?.memoryBytes != null);
    expect(row).toMatchObject({ kind: "real", version: "1 (image)", pid: null });
    expect(row.container).toMatchObject({ image: doubleImage, memoryLimitBytes: 512 * 2 ** 20 });
    expect(await health(lab, "loki", "/ready")).toBe(200);
  });

  test("what a container writes is the service's log, once", async () => {
    const told = (await lab.system.log("tempo", 50)).filter((line) => line.includes("double on"));
    expect(told).toEqual(["double on 3200 with -target=all -config.file=/etc/lab/tempo.yaml"]);
  });

  test("a killed container is noticed as a crash and comes back on its port", async () => {
    const { port, restarts } = rowOf(lab.system, "prometheus");
    await lab.system.kill("prometheus");
    expect(rowOf(lab.system, "prometheus").exitCode).toBe(137);
    await rowWhen(
      lab.system,
      "prometheus",
      (row) => row.state === "ready" && row.restarts > restarts,
    );
    expect(rowOf(lab.system, "prometheus").port).toBe(port);
    expect(await health(lab, "prometheus", "/-/ready")).toBe(200);
  });

  test("a paused container answers nobody and goes on where it stood", async () => {
    await lab.system.pause("loki");
    expect(lab.system.paused()).toEqual(["loki"]);
    expect(await health(lab, "loki", "/ready")).toBe(0);
    await lab.system.resume("loki");
    await expect.poll(() => health(lab, "loki", "/ready")).toBe(200);
    expect(rowOf(lab.system, "loki").restarts).toBe(0);
  });

  test("a stopped container stays stopped until it is started", async () => {
    await lab.system.stop("tempo");
    expect(rowOf(lab.system, "tempo")).toMatchObject({ state: "stopped", exitCode: 0 });
    expect(await health(lab, "tempo", "/ready")).toBe(0);
    await lab.system.start("tempo");
    expect(await health(lab, "tempo", "/ready")).toBe(200);
  });

  test("two labs run side by side, and one that ends leaves the other alone", async () => {
    const other = await openLab();
    onTestFinished(() => other.close());
    await other.system.ready();
    const ports = [lab, other].map(({ system }) => system.services().map(({ port }) => port));
    expect(new Set(ports.flat()).size).toBe(8);
    expect(other.stack.project.name).not.toBe(lab.stack.project.name);
    expect((await other.stack.project.ps()).toSorted()).toEqual([
      "grafana",
      "loki",
      "prometheus",
      "tempo",
    ]);
    await other.close();
    expect((await lab.stack.project.ps()).length).toBe(4);
    expect(await health(lab, "grafana", "/api/health")).toBe(200);
  });

  test("containers of a killed lab go at the next start or by down; their data stays until reset", async () => {
    const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    onTestFinished(async () => (await findLeftovers(dir, env)).remove({ volumes: true }));
    await mkdir(join(dir, "loki", "config"), { recursive: true });
    const said: string[] = [];
    const open = () => openStack({ dir, env, say: (line) => said.push(line) });
    const port = { LAB_LOKI_PORT: String(await pickPort()) };
    // As a lab leaves them that gets no chance to stop anything.
    const { project } = await open();
    await project.up(["loki"], port);
    expect(said).toEqual([]);
    await open();
    expect(said.join()).toContain("left behind");
    expect(await project.ps()).toEqual([]);
    await project.up(["loki"], port);
    expect(await takeDown(dir, env)).toBe(1);
    expect(await takeDown(dir, env)).toBe(0);
    const left = await findLeftovers(dir, env);
    expect(left.volumes.length).toBeGreaterThan(0);
    await left.remove({ volumes: true });
    expect((await findLeftovers(dir, env)).volumes).toEqual([]);
  });
});
