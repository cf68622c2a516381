import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ScenariosBody } from "#lab/api/scenarios.ts";
import type { StatusBody } from "#lab/api/services.ts";
import { debianRelease, downloadsDir } from "#lab/providers/debian-release.ts";
import { cli, type LabUnderTest, startLab } from "#lab/testing/lab-under-test.ts";
import { bareTools, offlineNetwork, wantedOut } from "#lab/testing/offline.ts";

const offline = offlineNetwork();

/** What each service is fetched as. */
const packages: Readonly<Record<string, string>> = {
  "valkey-tools": "valkey",
  "redis-tools": "valkey",
  prometheus: "prometheus",
  "prometheus-redis-exporter": "redis-exporter",
};

/**
 * Gives a cache folder the programs that this machine's labs have fetched, without the archive's
 * lists, which only fetching needs. Resolves with the services that they are for.
 */
async function installFetched(cache: string): Promise<ReadonlySet<string>> {
  const release = await debianRelease();
  if (release === undefined) return new Set();
  const folder = `${release.codename}-${process.arch}`;
  const from = join(downloadsDir(process.env), folder);
  const to = join(downloadsDir({ XDG_CACHE_HOME: cache }), folder);
  await mkdir(to, { recursive: true });
  const names = await readdir(from).catch(() => []);
  const known = names.filter((name) => packages[name] !== undefined);
  await Promise.all(known.map((name) => symlink(join(from, name), join(to, name))));
  return new Set(known.flatMap((name) => packages[name] ?? []));
}

/**
 * A machine that offers nothing and lets nobody out: no programs fetched before, no apt and no
 * programs of the user's on PATH, no network but loopback where a namespace can be had, and a proxy in
 * the environment that is not there.
 */
describe("a lab of stand-ins alone", { timeout: 90_000 }, () => {
  let lab: LabUnderTest;
  let cache: string;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), "lab-test-"));
    const deadProxy = "http://127.0.0.1:9";
    const machine = {
      XDG_CACHE_HOME: cache,
      // Nothing forbids to fetch: there is nothing to do it with.
      LAB_DOWNLOADS: "",
      PATH: bareTools(join(cache, "bin")),
      ...{ http_proxy: deadProxy, https_proxy: deadProxy, all_proxy: deadProxy },
      ...{ HTTP_PROXY: deadProxy, HTTPS_PROXY: deadProxy, NO_PROXY: "", no_proxy: "" },
      NODE_USE_ENV_PROXY: "1",
    };
    lab = await startLab(undefined, [], machine, "begin" in offline ? offline : undefined);
  }, 120_000);
  afterAll(async () => {
    await lab?.stop();
    await rm(cache, { recursive: true, force: true });
  });
  /** Runs a script of Node in the lab's own network; resolves with what it prints. */
  const inItsNetwork = async (script: string): Promise<string> => {
    const through = "begin" in offline ? offline.join(lab.pid) : [];
    const [file = "", ...args] = [...through, process.execPath, "-e", script];
    return (await promisify(execFile)(file, args, { maxBuffer: 2 ** 24 })).stdout;
  };
  const read = (path: string): Promise<string> =>
    inItsNetwork(
      `fetch(${JSON.stringify(lab.origin + path)}).then((a) => a.text()).then(console.log)`,
    );
  const restart = (id: string): Promise<string> =>
    inItsNetwork(
      `fetch(${JSON.stringify(`${lab.origin}/lab/api/services/${id}/restart`)}, {
        method: "POST", headers: { "x-lab-csrf": "1", "content-type": "application/json" }, body: "{}",
      }).then(async (a) => { if (!a.ok) throw new Error(await a.text()) })`,
    );
  const disabled = async (id: string) => {
    const { scenarios } = JSON.parse(await read("/lab/api/scenarios")) as ScenariosBody;
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
    for (const id of ["valkey", "prometheus"])
      expect(rowOf(id)?.note, id).toMatch(/is not on PATH; .*(?:no apt-get|not Debian or Ubuntu)/);
    expect(rowOf("redis-exporter")).toMatchObject({ state: "unavailable", kind: "absent" });
    expect(rowOf("redis-exporter")?.note).toMatch(/Valkey is a stand-in/);
    for (const id of ["collector", "tempo", "loki", "grafana"]) {
      expect(rowOf(id), id).toMatchObject({ state: "unavailable", kind: "absent" });
      expect(rowOf(id)?.note, id).toBeTruthy();
    }
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
    // Waiting for it, as for what is only busy, takes 30 s.
    expect(ms).toBeLessThan(28_000);
  });

  test("asks no proxy and nobody outside of this machine, from its start to its runs", async (context) => {
    if ("impossible" in offline) return context.skip(offline.impossible);
    expect(wantedOut(lab.pid)).toBe(0);
    await inItsNetwork("require('net').connect(80, '192.0.2.1').on('error', () => {})");
    expect(wantedOut(lab.pid), "whoever asks is seen").toBeGreaterThan(0);
  });

  test("LAB_DOWNLOADS=off says that it forbids what would be fetched", async () => {
    const env = { XDG_CACHE_HOME: cache, LAB_DOWNLOADS: "off" };
    const { findings } = JSON.parse((await cli(lab.dir, ["doctor", "--json"], env)).out);
    const of = (id: string) => findings.find((one: { about: string }) => one.about === id);
    // A program on PATH needs no fetching.
    if (/^real/.test(of("prometheus").found)) return;
    const why =
      process.platform === "linux" ? /LAB_DOWNLOADS=off forbids|not Debian/ : /not Debian/;
    expect(of("prometheus").found).toMatch(why);
  });

  test("takes programs that were fetched once, and starts them without a network", async (context) => {
    if ("impossible" in offline) return context.skip(offline.impossible);
    const fetched = await installFetched(cache);
    if (!fetched.has("valkey")) return context.skip("this machine has fetched no Valkey or Redis");
    const before = wantedOut(lab.pid);
    // The exporter is absent beside a stand-in.
    const ids = ["valkey", "prometheus", "redis-exporter"].filter((id) => fetched.has(id));
    for (const id of ids) await restart(id);
    const { services } = JSON.parse(await read("/lab/api/status")) as StatusBody;
    for (const id of ids) {
      expect(
        services.find((service) => service.id === id),
        id,
      ).toMatchObject({
        ...{ state: "ready", kind: "real" },
        version: expect.stringMatching(/Debian|Ubuntu/),
      });
    }
    expect(wantedOut(lab.pid)).toBe(before);
  });
});
