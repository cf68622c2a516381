import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import type { ServiceStatus } from "#lab/api.ts";
import { grafana } from "#lab/services/grafana.ts";
import { loki } from "#lab/services/loki.ts";
import { prometheus } from "#lab/services/prometheus.ts";
import { tempo } from "#lab/services/tempo.ts";
import { loadSecrets } from "#lab/state/secrets.ts";
import { pickPort } from "#lab/supervisor/ports.ts";
import { inState, rowOf, rowWhen } from "#lab/supervisor/testing/supervise.ts";
import type { System } from "#lab/system.ts";
import { inContainer, isContainer } from "../compose.ts";
import { openLocalSystem } from "../local-system.ts";
import { openStack, type Stack } from "./stack.ts";
import { findLeftovers, takeDown } from "./sweep.ts";
import { doubleImage, makeDoubleImage, whyNoContainers } from "./testing/engine-under-test.ts";

vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const unable = await whyNoContainers();
if (unable !== undefined) console.log(`containers are not tried: ${unable}`);

const env = {
  ...process.env,
  ...Object.fromEntries(
    ["PROMETHEUS", "TEMPO", "LOKI", "GRAFANA"].map((name) => [`${name}_IMAGE`, doubleImage]),
  ),
};

interface Lab {
  readonly dir: string;
  readonly stack: Stack;
  readonly system: System;
  /** Ids in the order in which they became `starting` and `ready`. */
  readonly order: readonly string[];
  readonly close: () => Promise<void>;
}

async function openLab(changes: Readonly<Record<string, string>> = {}): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), "lab-test-"));
  const stack = await openStack({ dir, env: { ...env, ...changes }, say: () => {} });
  const services = [prometheus, tempo, loki, grafana].filter(isContainer);
  const order: string[] = [];
  const system = openLocalSystem(
    "compose",
    services.map((service) => ({
      ...inContainer(service, stack),
      // The rest of the lab is not part of this.
      dependsOn: service.id === "grafana" ? (["prometheus", "tempo", "loki"] as const) : [],
    })),
    { dir, secrets: await loadSecrets(dir), origin: "http://localhost:4700", env },
  );
  system.subscribe(({ id, state }) => {
    if (order.at(-1) !== `${state} ${id}`) order.push(`${state} ${id}`);
  });
  return {
    ...{ dir, stack, system, order },
    close: async () => {
      await system.shutdown();
      await stack.close();
      await (await findLeftovers(dir, env)).remove({ volumes: true });
      await rm(dir, { recursive: true, force: true });
    },
  };
}

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
    await expect.poll(() => health(lab, "loki", "/ready"), { timeout: 5_000 }).toBe(200);
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

  test("an image that cannot be had is told with the way out, and the others start", async () => {
    // Nobody listens there: a registry that is not reached.
    const other = await openLab({ GRAFANA_IMAGE: "127.0.0.1:1/lab-test/none:1" });
    onTestFinished(() => other.close());
    await expect(other.system.ready()).rejects.toMatchObject({
      code: "image-missing",
      message: expect.stringMatching(
        /127\.0\.0\.1:1\/lab-test\/none:1 of grafana.*cannot be reached/,
      ),
      hint: expect.stringContaining("GRAFANA_IMAGE="),
    });
    expect(rowOf(other.system, "grafana").state).toBe("unavailable");
    await rowWhen(other.system, "loki", inState("ready"));
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
