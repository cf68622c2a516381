import type { OtlpTrace } from "#lab/api/otlp.ts";
import { routes } from "#lab/api/routes.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import type { ServiceStatus, StatusBody } from "#lab/api/services.ts";
import { logsOfTrace, openLokiSource } from "#lab/sources/loki.ts";
import { openStoreSource } from "#lab/sources/store.ts";
import { openTempoSource } from "#lab/sources/tempo.ts";
import { lastingDifferences } from "./lasting.ts";

/** A claim about a backend, and what does not fit it. */
export interface Comparison {
  readonly claim: string;
  /** Things compared. */
  readonly compared: number;
  readonly differences: readonly string[];
}

/** What the real backends of a running lab hold of its runs, beside what the store does. */
export async function compareBackends(origin: string): Promise<readonly Comparison[]> {
  const status = await read<StatusBody>(origin, routes.status);
  const base = (id: ServiceStatus["id"]): string | undefined =>
    status.services.find((row) => row.id === id && row.kind === "real" && row.state === "ready")
      ?.url ?? undefined;
  const { runs } = await read<{ readonly runs: readonly RunRecord[] }>(origin, routes.runs);
  const traceIds = [...new Set(runs.flatMap((run) => run.traceIds))];
  const store = openStoreSource(() => base("store"));
  try {
    const [tempo, loki, prometheus] = [base("tempo"), base("loki"), base("prometheus")];
    return [
      ...(tempo === undefined ? [] : [await compareTempo(tempo, store, traceIds)]),
      ...(loki === undefined ? [] : [await compareLoki(loki, store, traceIds)]),
      ...(prometheus === undefined ? [] : [await scraped(prometheus)]),
    ];
  } finally {
    store.close();
  }
}

type Store = ReturnType<typeof openStoreSource>;

async function compareTempo(
  base: string,
  store: Store,
  traceIds: readonly string[],
): Promise<Comparison> {
  const tempo = openTempoSource(() => base);
  const compared = new Set<string>();
  const differences = await lastingDifferences(traceIds, async (traceId) => {
    const kept = await store.trace(traceId);
    if (kept === undefined) return undefined;
    compared.add(traceId);
    const [ours, theirs] = [spanIds(kept), spanIds(await tempo.trace(traceId))];
    const missing = ours.filter((id) => !theirs.includes(id)).length;
    const more = theirs.filter((id) => !ours.includes(id)).length;
    return missing + more === 0
      ? undefined
      : `${traceId}: Tempo lacks ${missing} of ${ours.length} spans, has ${more} more`;
  });
  return {
    claim: "Tempo has every trace of a run with the spans that the store has",
    compared: compared.size,
    differences,
  };
}

const spanIds = (trace: OtlpTrace | undefined): readonly string[] => [
  ...new Set(
    (trace?.resourceSpans ?? []).flatMap(({ scopeSpans }) =>
      scopeSpans.flatMap(({ spans }) => spans.map(({ spanId }) => spanId)),
    ),
  ),
];

async function compareLoki(
  base: string,
  store: Store,
  traceIds: readonly string[],
): Promise<Comparison> {
  const loki = openLokiSource(() => base);
  const compared = new Set<string>();
  const differences = await lastingDifferences(traceIds, async (traceId) => {
    const kept = await store.logs({ trace: traceId });
    if (kept.length === 0) return undefined;
    compared.add(traceId);
    const found = await loki.logs(logsOfTrace(traceId));
    return found.length === kept.length
      ? undefined
      : `${traceId}: ${found.length} lines in Loki, ${kept.length} in the store`;
  });
  return {
    claim: "Loki has every log line of a run's traces",
    compared: compared.size,
    differences,
  };
}

interface Target {
  readonly labels: { readonly job: string };
  readonly health: "up" | "down" | "unknown";
  readonly lastError: string;
}

/** Targets are asked in turn: those of a service that was just restarted may need another. */
async function scraped(base: string): Promise<Comparison> {
  const path = "/api/v1/targets?state=active";
  const targets = async (): Promise<readonly Target[]> => {
    const { data } = await read<{ readonly data: { readonly activeTargets: readonly Target[] } }>(
      base,
      path,
    );
    return data.activeTargets;
  };
  const jobs = (await targets()).map(({ labels }) => labels.job);
  return {
    claim: "Prometheus reads every target: up is 1",
    compared: jobs.length,
    differences: await lastingDifferences(jobs, async (job) => {
      const down = (await targets()).find(
        ({ labels, health }) => labels.job === job && health !== "up",
      );
      return down && `${job}: ${down.lastError || "not yet"}`;
    }),
  };
}

async function read<T>(base: string, path: string): Promise<T> {
  const answer = await fetch(new URL(path, base), { signal: AbortSignal.timeout(10_000) });
  if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}`);
  return (await answer.json()) as T;
}
