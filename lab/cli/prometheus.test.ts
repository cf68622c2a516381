import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { RunRecord } from "#lab/api/runs.ts";
import type { ServiceStatus, StatusBody } from "#lab/api/services.ts";
import { type LabUnderTest, startLab } from "#lab/testing/lab-under-test.ts";
import type { JobResult } from "#lab/verify/result.ts";

/** What the HTTP API answers (https://prometheus.io/docs/prometheus/latest/querying/api/). */
interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}
interface ExemplarSeries {
  readonly exemplars: readonly { readonly labels: Readonly<Record<string, string>> }[];
}

describe("the real Prometheus of a lab", () => {
  let lab: LabUnderTest;
  let services: readonly ServiceStatus[];
  const rowOf = (id: ServiceStatus["id"]) => services.find((service) => service.id === id);
  const ask = async <T>(path: string, query: Readonly<Record<string, string>>): Promise<T> => {
    const url = `http://127.0.0.1:${rowOf("prometheus")?.port}/api/v1/${path}`;
    const answer = await fetch(`${url}?${new URLSearchParams(query)}`);
    const { data } = (await answer.json()) as { readonly data: T };
    return data;
  };
  const samples = async (query: string) =>
    (await ask<{ readonly result: readonly Sample[] }>("query", { query })).result;

  beforeAll(async () => {
    lab = await startLab();
    const settled = (row?: ServiceStatus) => row?.state === "ready" || row?.state === "unavailable";
    await vi.waitFor(
      async () => {
        services = (JSON.parse((await lab.cli("status", "--json")).out) as StatusBody).services;
        expect(settled(rowOf("prometheus")) && settled(rowOf("redis-exporter"))).toBe(true);
      },
      { timeout: 30_000, interval: 500 },
    );
  }, 90_000);
  afterAll(() => lab?.stop());

  test("scrapes all of its targets, and finds a run's trace in the exemplars", async (context) => {
    const { kind, note } = rowOf("prometheus") ?? {};
    if (kind !== "real") return context.skip(`no Prometheus here: ${note}`);

    const expected = ["minio", "postgres", "prometheus", "server"];
    if (rowOf("redis-exporter")?.kind === "real") expected.push("redis-exporter");
    const up = async () =>
      (await samples("up")).map(({ metric, value }) => `${metric.job} ${value[1]}`).sort();
    await expect
      .poll(up, { interval: 250 })
      .toEqual(expect.arrayContaining(expected.map((job) => `${job} 1`)));
    expect((await up()).filter((target) => !target.endsWith(" 1"))).toEqual([]);

    const start = Date.now() / 1000;
    const { out } = await lab.cli("run", "db.n-plus-one", "--json");
    const [traceId] = (JSON.parse(out) as { readonly run: RunRecord }).run.traceIds;
    const seen = async () => {
      const series = await ask<readonly ExemplarSeries[]>("query_exemplars", {
        query: "http_server_request_duration_seconds_bucket",
        start: String(start - 1),
        end: String(Date.now() / 1000 + 1),
      });
      return series.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.trace_id));
    };
    await expect.poll(seen, { interval: 250 }).toContain(traceId);
  }, 60_000);

  test("judges as the store does, as Tempo's API does with the store's traces", async (context) => {
    const judged = async (judge: string) => {
      const scenarios = ["db.n-plus-one", "run.handled-error"];
      const { out } = await lab.cli("verify", ...scenarios, "--judge", judge, "--json");
      const { results } = JSON.parse(out) as { readonly results: readonly JobResult[] };
      return results.map(({ checks, ...run }) => ({
        ...{ scenario: run.scenario, mode: run.mode, verdict: run.verdict },
        checks: checks.map(({ title, state }) => `${state} ${title}`),
        asked: [...new Set(checks.flatMap(({ query }) => query?.asked ?? []))].sort(),
      }));
    };
    const [byBackends, byStore] = [await judged("backends"), await judged("store")];
    expect(byBackends.map(({ asked: _, ...run }) => run)).toEqual(
      byStore.map(({ asked: _, ...run }) => run),
    );
    expect(new Set(byStore.map(({ verdict }) => verdict))).toEqual(new Set(["pass"]));
    expect(byStore[0]?.asked).toEqual(["metrics-endpoint", "store"]);
    if (rowOf("prometheus")?.kind !== "real") return context.skip("no Prometheus here");
    expect(byBackends[0]?.asked).toEqual(["prometheus", "store", "store-as-tempo"]);
  }, 120_000);

  test("keeps what Valkey's exporter tells of the real one", async (context) => {
    if (rowOf("prometheus")?.kind !== "real" || rowOf("redis-exporter")?.kind !== "real")
      return context.skip("no Prometheus, or no exporter beside a real Valkey, here");
    const value = async (query: string) => Number((await samples(query))[0]?.value[1] ?? 0);
    await expect.poll(() => value("redis_up"), { interval: 250 }).toBe(1);
    const before = await value("redis_keyspace_misses_total");
    await lab.cli("run", "cache.cold-miss", "--param", "keys=7");
    await expect
      .poll(() => value("redis_keyspace_misses_total"), { interval: 250 })
      .toBeGreaterThanOrEqual(before + 7);
  }, 60_000);
});
