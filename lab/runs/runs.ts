import { randomInt } from "node:crypto";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { Lease, Scenario } from "#scenarios/define.ts";
import { signTicket } from "#scenarios/ticket.ts";
import {
  type CreatedRun,
  type CreateRun,
  type Observation,
  type RunRecord,
  signalIds,
} from "../api.ts";
import { LabError } from "../errors.ts";
import { type ServiceId, serviceIds } from "../services/ids.ts";
import { readMetrics } from "../sources/metrics.ts";
import type { StoreSource } from "../sources/store.ts";
import type { FeedMessage } from "../store/contract.ts";
import type { System } from "../system.ts";
import { admit, type Unfit } from "./admission.ts";
import { keepEvidence } from "./kept-evidence.ts";
import { openLeases } from "./leases.ts";
import { type LiveRun, openLiveRun, type Patience } from "./live-run.ts";
import { type MetricWatch, watchMetrics } from "./metric-watch.ts";
import type { Records } from "./records.ts";
import { runIdMint } from "./run-id.ts";

export interface Runs {
  /**
   * Mints a run, takes its leases, reads the metrics as they are before it, and signs its ticket.
   * @throws LabError of `admit`, `lease-held`, or `too-many-runs`.
   */
  readonly create: (request: CreateRun) => Promise<CreatedRun>;
  /** @throws LabError `unknown-run`, or `run-closed` for one that takes no more observations. */
  readonly observe: (runId: string, observation: Observation) => RunRecord;
  readonly get: (runId: string) => RunRecord | undefined;
  /** JSON of the `Evidence` of a run, as long as it is kept: see {@link keepEvidence}. */
  readonly evidence: (runId: string) => string | undefined;
  /** Newest first. */
  readonly list: Records["list"];
  /** Takes in what the store's feed says. */
  readonly feed: (message: FeedMessage) => void;
  readonly close: () => void;
}

export interface RunsOptions {
  readonly catalogue: Catalogue;
  readonly system: System;
  readonly source: StoreSource;
  readonly records: Records;
  readonly ticketKey: string;
  readonly onChange: (record: RunRecord) => void;
  /** Scenarios that cannot be judged as they are written. */
  readonly unfit?: Unfit;
  readonly patience?: Patience;
}

/** Runs that drivers may have in hand at once. */
export const drivingLimit = 8;
const defaultTimeoutMs = 10_000;
/** On top of the scenario's time: for the ticket to reach the app, and for the run to be closed. */
const ticketMarginMs = 2_000;
const deadlineMarginMs = 10_000;

/** Everything about runs between the request to start one and its record on disk. */
export function openRuns(options: RunsOptions): Runs {
  const { catalogue, system, source, records, ticketKey } = options;
  const live = new Map<string, LiveRun>();
  const kept = keepEvidence();
  /** Runs whose baseline is being read: nobody has their ticket yet. */
  let arming = 0;
  const leases = openLeases();
  const mint = runIdMint();
  const restartsSeen = new Map(system.services().map((row) => [row.id, row.restarts]));

  const unsubscribe = system.subscribe((row) => {
    const more = row.restarts - (restartsSeen.get(row.id) ?? 0);
    restartsSeen.set(row.id, row.restarts);
    for (const run of live.values()) {
      if (more > 0) run.restarted(row.id, more, row.exitCode);
      run.servicesChanged();
    }
  });

  const isReady = (id: ServiceId): boolean =>
    system.services().find((row) => row.id === id)?.state === "ready";

  /** Undefined where the scenario says nothing of metrics: reading them would only cost time. */
  async function metricsOf({ expect }: Scenario): Promise<MetricWatch | undefined> {
    const names = expect.flatMap((one) => (one.signal === "metric" ? [one.name] : []));
    if (names.length === 0) return undefined;
    return watchMetrics(async () => {
      const base = system.url("server", "metrics");
      if (base === undefined) throw new Error("the server has no metrics port");
      return readMetrics(new URL("/metrics", base).href);
    }, names);
  }

  async function create(request: CreateRun): Promise<CreatedRun> {
    const { scenario, mode, params } = admit(request, catalogue, system.services(), options.unfit);
    const driving = live
      .values()
      .reduce((n, run) => n + Number(run.record().state === "driving"), arming);
    if (driving >= drivingLimit) throw tooMany();
    const runId = mint();
    const held = leases.take(runId, scenario.leases ?? []);
    if (held !== undefined) throw leaseHeld(scenario, held.lease, held.heldBy);
    arming += 1;
    const metrics = await metricsOf(scenario).finally(() => {
      arming -= 1;
    });

    const startedAt = Date.now();
    const timeoutMs = scenario.timeoutMs ?? defaultTimeoutMs;
    const seed = request.seed ?? randomInt(0, 2 ** 32);
    const record = newRecord(scenario, { runId, mode, params, seed, startedAt });
    const disrupted = (scenario.leases ?? []).filter(isService);
    const endLeases = disrupted.map((id) => system.leaseCrashes(id));
    const run = openLiveRun({
      record,
      deadline: startedAt + timeoutMs + deadlineMarginMs,
      expect: scenario.expect,
      ...{ source, metrics, onChange },
      recovered: () => disrupted.every(isReady),
      onEnd: () => {
        for (const endLease of endLeases) endLease();
        leases.release(runId);
      },
      onGone: () => {
        kept.add(runId, run.evidence());
        live.delete(runId);
      },
      ...(options.patience ? { patience: options.patience } : {}),
    });
    live.set(runId, run);
    onChange(run.record());
    const expiresAt = startedAt + timeoutMs + ticketMarginMs;
    return {
      runId,
      ticket: signTicket(
        { runId, scenario: scenario.id, mode, params, seed, expiresAt },
        ticketKey,
      ),
      drive: { method: "POST", path: `/api/scenarios/${scenario.id}` },
      stage: scenario.stage ?? false,
    };
  }

  function onChange(record: RunRecord): void {
    records.save(record);
    options.onChange(record);
  }

  function feed(message: FeedMessage): void {
    switch (message.type) {
      case "grew":
        for (const growth of message.traces) for (const run of live.values()) run.grew(growth);
        break;
      case "hello":
        for (const run of live.values()) run.reread();
        break;
      case "beat":
        break;
    }
  }

  const get = (runId: string): RunRecord | undefined =>
    live.get(runId)?.record() ?? records.get(runId);

  return {
    create,
    get,
    observe: (runId, observation) => {
      const run = live.get(runId);
      if (run === undefined) throw get(runId) === undefined ? unknownRun(runId) : closedRun(runId);
      run.observe(observation);
      return run.record();
    },
    evidence: (runId) => {
      const run = live.get(runId);
      return run === undefined ? kept.get(runId) : JSON.stringify(run.evidence());
    },
    list: records.list,
    feed,
    close: () => {
      unsubscribe();
      for (const run of live.values()) run.close();
      live.clear();
    },
  };
}

function newRecord(
  scenario: Scenario,
  own: Pick<RunRecord, "runId" | "mode" | "params" | "seed" | "startedAt">,
): RunRecord {
  return {
    ...own,
    scenario: scenario.id,
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
    links: [],
  };
}

const isService = (lease: Lease): lease is Lease & ServiceId =>
  (serviceIds as readonly string[]).includes(lease);

const tooMany = (): LabError =>
  new LabError("too-many-runs", `${drivingLimit} runs are being driven already.`, {
    hint: "Ask again when one of them has ended.",
  });

const leaseHeld = (scenario: Scenario, lease: Lease, heldBy: string): LabError =>
  new LabError(
    "lease-held",
    `${scenario.id} needs ${lease} for itself, and run ${heldBy} holds it.`,
    { hint: `Wait until that run has settled: /runs/${heldBy}` },
  );

const unknownRun = (runId: string): LabError =>
  new LabError("unknown-run", `There is no run ${runId}.`, {
    hint: "GET /lab/api/runs lists them.",
  });

const closedRun = (runId: string): LabError =>
  new LabError("run-closed", `Run ${runId} has ended and takes no more observations.`, {
    hint: "Start a new run.",
  });
