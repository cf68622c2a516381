import { setTimeout as delay } from "node:timers/promises";
import { type EvidenceSource, evidenceSourceTitle } from "../api/checks.ts";
import type { LogRecord } from "../api/logs.ts";
import type { OtlpTrace } from "../api/otlp.ts";
import type { JudgeChoice } from "../api/run-request.ts";
import type { SourceState } from "../judge/evidence.ts";
import { type LokiSource, logsOfRun, logsOfTrace, openLokiSource } from "../sources/loki.ts";
import { recordsOf } from "../sources/loki-records.ts";
import { openPrometheusSource, type PrometheusSource } from "../sources/prometheus.ts";
import { openTempoSource, type TempoSource } from "../sources/tempo.ts";
import type { System } from "../system.ts";
import type { Telemetry } from "./telemetry.ts";

/** Those whose word counts when runs are judged, where that is not the store alone. */
export interface Backends {
  readonly traces: "tempo" | "store-as-tempo";
  readonly logs: "loki" | "store";
  /** Undefined where nobody scrapes: metrics are then read where they are exposed. */
  readonly prometheus: PrometheusSource | undefined;
  /**
   * Asks for a run's traces and logs until they are what the store has seen, and the same twice; or
   * until patience ends, or the signal. Never rejects.
   */
  readonly confirm: (run: ConfirmedRun, seen: Telemetry, signal: AbortSignal) => Promise<Confirmed>;
}

interface ConfirmedRun {
  readonly runId: string;
  readonly traceIds: readonly string[];
  readonly startedAt: number;
}

/** A run's telemetry as the backends tell it. */
export interface Confirmed {
  readonly traces: readonly OtlpTrace[];
  readonly logs: readonly LogRecord[];
  readonly states: Readonly<Record<"traces" | "logs", SourceState>>;
  /** What the store has and they have not, in words; empty when nothing is missing. */
  readonly lacking: readonly string[];
}

/** Of backends that were not asked in time. */
export const unanswered: Confirmed = {
  ...{ traces: [], logs: [], lacking: [] },
  states: { traces: "unreachable", logs: "unreachable" },
};

/** Both in milliseconds. */
export interface BackendPatience {
  readonly withinMs: number;
  readonly pollMs: number;
}
const usualPatience: BackendPatience = { withinMs: 10_000, pollMs: 100 };

/** Questions put to one backend at a time. */
const atOnce = 16;
/** Clocks of lines may run a little behind. */
const lookBackMs = 60_000;

/** Is it the backends' word that counts, unless a run asks otherwise? Where a real Tempo or Loki gets what the app sends. */
export function judgeChoiceFor(asked: JudgeChoice | undefined, system: System): JudgeChoice {
  if (asked !== undefined) return asked;
  return takesPart(system, "tempo") || takesPart(system, "loki") ? "backends" : "store";
}

/** The app's telemetry reaches Tempo and Loki by the Collector only. */
const takesPart = (system: System, id: "tempo" | "loki"): boolean =>
  isThere(system, "collector") && isThere(system, id);

const isThere = (system: System, id: "collector" | "tempo" | "loki" | "prometheus"): boolean => {
  const row = system.services().find((service) => service.id === id);
  return row !== undefined && row.kind === "real" && row.state !== "unavailable";
};

/** The backends of the system as it is now. */
export function backendsOf(system: System, patience: BackendPatience = usualPatience): Backends {
  const real = { tempo: takesPart(system, "tempo"), loki: takesPart(system, "loki") };
  const by = real.tempo ? "tempo" : "store-as-tempo";
  const tempo = openTempoSource(() => system.url(real.tempo ? "tempo" : "store"));
  const loki = real.loki ? openLokiSource(() => system.url("loki")) : undefined;
  return {
    traces: by,
    logs: real.loki ? "loki" : "store",
    prometheus: isThere(system, "prometheus")
      ? openPrometheusSource(() => system.url("prometheus"))
      : undefined,
    confirm: async (run, seen, signal) => {
      const until = performance.now() + patience.withinMs;
      let before: number | undefined;
      for (;;) {
        const [traces, logs] = await Promise.all([
          askForTraces(tempo, by, run, seen),
          askForLogs(loki, run, seen),
        ]);
        const lacking = [...traces.lacking, ...logs.lacking];
        const known = traces.size + logs.found.length;
        const complete = lacking.length === 0 && traces.state === "ok" && logs.state === "ok";
        if ((complete && known === before) || signal.aborted || performance.now() >= until) {
          const states = { traces: traces.state, logs: logs.state };
          return { traces: traces.found, logs: logs.found, states, lacking };
        }
        before = known;
        await delay(patience.pollMs, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

interface Asked<T> {
  readonly found: readonly T[];
  readonly state: SourceState;
  readonly lacking: readonly string[];
}

async function askForTraces(
  tempo: TempoSource,
  by: EvidenceSource,
  { traceIds }: ConfirmedRun,
  { traces }: Telemetry,
): Promise<Asked<OtlpTrace> & { readonly size: number }> {
  const ids = [...new Set([...traceIds, ...traces.keys()])];
  try {
    const answers = await eachOf(ids, tempo.trace);
    const found = answers.filter((trace) => trace !== undefined);
    const theirs = new Set(found.flatMap(spanKeys));
    const ours = new Set([...traces.values()].flatMap(({ trace }) => spanKeys(trace)));
    const missing = ours.difference(theirs).size;
    return { found, state: "ok", lacking: lackingOf(missing, "span", by), size: theirs.size };
  } catch {
    return { found: [], state: "unreachable", lacking: [], size: 0 };
  }
}

async function askForLogs(
  loki: LokiSource | undefined,
  { runId, traceIds, startedAt }: ConfirmedRun,
  seen: Telemetry,
): Promise<Asked<LogRecord>> {
  if (loki === undefined) return { found: seen.logs, state: "ok", lacking: [] };
  const ids = [...new Set([...traceIds, ...seen.traces.keys()])];
  try {
    const since = startedAt - lookBackMs;
    const ask = (query: string) => loki.logs(query, since);
    const answers = await eachOf([logsOfRun(runId), ...ids.map(logsOfTrace)], ask);
    const lines = new Map(answers.flat().map((line) => [lineKey(line), line]));
    const missing = new Set(seen.logs.map(lineKey)).difference(new Set(lines.keys())).size;
    const found = recordsOf([...lines.values()], seen.logs);
    return { found, state: "ok", lacking: lackingOf(missing, "log line", "loki") };
  } catch {
    return { found: [], state: "unreachable", lacking: [] };
  }
}

const lackingOf = (missing: number, what: string, by: EvidenceSource): readonly string[] =>
  missing === 0
    ? []
    : [
        `${missing} ${what}${missing === 1 ? " is" : "s are"} in the store and not in ${evidenceSourceTitle[by]}`,
      ];

const spanKeys = ({ resourceSpans }: OtlpTrace): readonly string[] =>
  resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) => spans.map(({ traceId, spanId }) => `${traceId} ${spanId}`)),
  );

type Line = Pick<LogRecord, "body" | "service" | "spanId" | "timeUnixNano" | "traceId">;
const lineKey = ({ timeUnixNano, service, traceId, spanId, body }: Line): string =>
  JSON.stringify([timeUnixNano, service, traceId, spanId, body]);

/** As many at once as a backend likes. */
async function eachOf<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < items.length; at += atOnce) {
    answers.push(...(await Promise.all(items.slice(at, at + atOnce).map((item) => ask(item)))));
  }
  return answers;
}
