import { setTimeout as delay } from "node:timers/promises";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { routes } from "#lab/api/routes.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import type { ServiceStatus, StatusBody } from "#lab/api/services.ts";
import { logsOfTrace, openLokiSource } from "#lab/sources/loki.ts";
import { openStoreSource } from "#lab/sources/store.ts";
import { openTempoSource } from "#lab/sources/tempo.ts";

/** A claim about a backend, and what does not fit it. */
export interface Comparison {
  readonly claim: string;
  /** Things compared. */
  readonly compared: number;
  readonly differences: readonly string[];
}

const patienceMs = 15_000;

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
  const differences: string[] = [];
  let compared = 0;
  for (const traceId of traceIds) {
    const kept = await store.trace(traceId);
    if (kept === undefined) continue;
    compared++;
    const [ours, theirs] = [spanIds(kept), spanIds(await tempo.trace(traceId))];
    const missing = ours.filter((id) => !theirs.includes(id)).length;
    const more = theirs.filter((id) => !ours.includes(id)).length;
    if (missing + more > 0)
      differences.push(
        `${traceId}: Tempo lacks ${missing} of ${ours.length} spans, has ${more} more`,
      );
  }
  return {
    claim: "Tempo has every trace of a run with the spans that the store has",
    compared,
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
  const differences: string[] = [];
  let compared = 0;
  for (const traceId of traceIds) {
    const kept = await store.logs({ trace: traceId });
    if (kept.length === 0) continue;
    compared++;
    const found = await loki.logs(logsOfTrace(traceId));
    if (found.length !== kept.length)
      differences.push(`${traceId}: ${found.length} lines in Loki, ${kept.length} in the store`);
  }
  return { claim: "Loki has every log line of a run's traces", compared, differences };
}

interface Target {
  readonly labels: { readonly job: string };
  readonly health: "up" | "down" | "unknown";
  readonly lastError: string;
}

/** Targets are asked in turn: those of a service that was just restarted may need another. */
async function scraped(base: string): Promise<Comparison> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const { data } = await read<{ readonly data: { readonly activeTargets: readonly Target[] } }>(
      base,
      "/api/v1/targets?state=active",
    );
    const down = data.activeTargets.filter(({ health }) => health !== "up");
    if (down.length === 0 || performance.now() > until)
      return {
        claim: "Prometheus reads every target: up is 1",
        compared: data.activeTargets.length,
        differences: down.map(
          ({ labels, lastError }) => `${labels.job}: ${lastError || "not yet"}`,
        ),
      };
    await delay(500);
  }
}

async function read<T>(base: string, path: string): Promise<T> {
  const answer = await fetch(new URL(path, base), { signal: AbortSignal.timeout(10_000) });
  if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}`);
  return (await answer.json()) as T;
}
