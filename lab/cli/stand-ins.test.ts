import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ScenariosBody, StatusBody } from "#lab/api.ts";
import { type LabUnderTest, startLab } from "#lab/testing/lab-under-test.ts";

/**
 * A machine that offers nothing and lets nobody out: no programs fetched before, no fetching, no
 * apt and no programs of the user's on PATH, and a proxy in the environment that is not there.
 */
describe("a lab of stand-ins alone", () => {
  let lab: LabUnderTest;
  let cache: string;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), "lab-test-"));
    const deadProxy = "http://127.0.0.1:9";
    lab = await startLab(undefined, [], {
      XDG_CACHE_HOME: cache,
      LAB_DOWNLOADS: "off",
      PATH: ["/usr/bin", "/bin"].join(delimiter),
      ...{ http_proxy: deadProxy, https_proxy: deadProxy, all_proxy: deadProxy },
      ...{ HTTP_PROXY: deadProxy, HTTPS_PROXY: deadProxy, NO_PROXY: "", no_proxy: "" },
      NODE_USE_ENV_PROXY: "1",
    });
  }, 90_000);
  afterAll(async () => {
    await lab?.stop();
    await rm(cache, { recursive: true, force: true });
  });
  const disabled = async (id: string) => {
    const answer = await fetch(`${lab.origin}/lab/api/scenarios`);
    const { scenarios } = (await answer.json()) as ScenariosBody;
    return scenarios.find((scenario) => scenario.id === id)?.disabled;
  };

  test("says of each service what it is, and how to get the real one", async () => {
    const { services } = JSON.parse((await lab.cli("status", "--json")).out) as StatusBody;
    const rowOf = (id: string) => services.find((service) => service.id === id);
    for (const id of ["keycloak", "minio", "valkey"]) {
      expect(rowOf(id), id).toMatchObject({ state: "ready", kind: "stand-in" });
      expect(rowOf(id)?.note, id).toMatch(/For the real one/);
    }
    expect(rowOf("prometheus")).toMatchObject({ state: "unavailable", kind: "absent" });
    expect(rowOf("prometheus")?.note).toMatch(/LAB_DOWNLOADS=off/);
    expect(rowOf("redis-exporter")).toMatchObject({ state: "unavailable", kind: "absent" });
    expect(rowOf("redis-exporter")?.note).toMatch(/Valkey is a stand-in/);
    for (const id of ["postgres", "store", "server"])
      expect(rowOf(id), id).toMatchObject({ state: "ready", kind: "real" });
  });

  test("judges what it can, and says what it cannot", async () => {
    const { code, out } = await lab.cli("verify", "cache.cold-miss", "s3.missing-key", "--json");
    const { results } = JSON.parse(out);
    const checks = results.flatMap((result: { checks: { state: string; title: string }[] }) =>
      result.checks.filter(({ state }) => state !== "pass"),
    );
    expect(checks).toEqual([
      expect.objectContaining({
        state: "not-applicable",
        title: expect.stringContaining("redis_keyspace_misses_total"),
      }),
    ]);
    expect(code).toBe(0);
  });

  test("offers no scenario that needs the real program, and says why", async () => {
    expect(await disabled("cache.eviction")).toMatch(/real Valkey/);
    for (const id of ["cache.stampede", "cache.down-fallback", "s3.throttled", "auth.idp-down"])
      expect(await disabled(id), id).toBeNull();
    const { code, out, ms } = await lab.cli("verify", "cache.eviction");
    expect(out).toMatch(/not applicable +cache\.eviction/);
    expect(code).toBe(2);
    expect(ms).toBeLessThan(15_000);
  });
});
