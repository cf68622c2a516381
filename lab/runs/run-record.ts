import { type RunRecord, type SignalId, signalIds } from "../api/runs.ts";
import { labVersion } from "../state/lab-version.ts";
import type { System } from "../system.ts";
import type { KeptRun } from "./records.ts";

/** The record of a run that nobody has driven yet. */
export const newRecord = (
  own: Pick<RunRecord, "runId" | "scenario" | "mode" | "params" | "seed" | "startedAt"> &
    Pick<RunRecord, "versions" | "judgedBy" | "selfTest">,
): KeptRun => ({
  ...own,
  state: "driving",
  driver: null,
  endedAt: null,
  traceIds: [],
  answer: null,
  page: {},
  counts: { spans: 0, logs: 0, sentry: 0 },
  signals: signalIds.map((id) => ({ id, seenAfterMs: null })),
  restarts: {},
  exitCodes: {},
  verdict: "pending",
  checks: [],
});

/** By name: the lab, Node, then the services that run. */
export const versionsOf = (system: System): Readonly<Record<string, string>> => ({
  lab: labVersion(),
  node: process.versions.node,
  ...Object.fromEntries(
    system
      .services()
      .flatMap(({ id, kind, version }) =>
        version === null ? [] : [[id, kind === "real" ? version : `${kind} ${version}`]],
      ),
  ),
});

/** A light keeps the time it was first seen. */
export const withSignals = (
  { signals }: KeptRun,
  seen: ReadonlySet<SignalId>,
  seenAfterMs: number,
): Pick<KeptRun, "signals"> => ({
  signals: signals.map((signal) =>
    signal.seenAfterMs === null && seen.has(signal.id) ? { ...signal, seenAfterMs } : signal,
  ),
});

/** @param exitCode of the process that is replaced; null where it is not known. */
export const withRestarts = (
  { restarts, exitCodes }: KeptRun,
  component: string,
  times: number,
  exitCode: number | null,
): Pick<KeptRun, "restarts" | "exitCodes"> => ({
  restarts: { ...restarts, [component]: (restarts[component] ?? 0) + times },
  exitCodes: {
    ...exitCodes,
    [component]: [...(exitCodes[component] ?? []), ...(exitCode === null ? [] : [exitCode])],
  },
});
