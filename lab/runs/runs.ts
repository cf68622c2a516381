import { randomInt } from "node:crypto";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { Lease, Scenario } from "#scenarios/define.ts";
import type { Fault } from "#scenarios/fault.ts";
import { signTicket, verifyTicket } from "#scenarios/ticket.ts";
import type { CreatedRun, CreateRun, JudgeChoice, Observation } from "../api/run-request.ts";
import { isOver, type RunRecord, signalIds } from "../api/runs.ts";
import type { ServiceStatus } from "../api/services.ts";
import { LabError } from "../errors.ts";
import { armFaults, brokenService } from "../faults/armed-faults.ts";
import { type ServiceId, serviceIds } from "../services/ids.ts";
import type { StoreSource } from "../sources/store.ts";
import { labVersion } from "../state/lab-version.ts";
import type { FeedMessage } from "../store/contract.ts";
import type { System } from "../system.ts";
import { admit, type Unfit } from "./admission.ts";
import { type BackendPatience, type Backends, backendsOf, judgeChoiceFor } from "./backends.ts";
import { type Drivers, openDrivers } from "./drivers.ts";
import { judgedBy } from "./judgement.ts";
import { type Claim, claimOf, type Leases, openLeases } from "./leases.ts";
import { linksOf } from "./links.ts";
import { type LiveRun, openLiveRun, type Patience } from "./live-run.ts";
import { readAppMetrics, watchRunMetrics } from "./metric-sources.ts";
import { placesOf } from "./places.ts";
import { withQueryLinks } from "./query-links.ts";
import type { KeptRun, Records } from "./records.ts";
import { runIdMint } from "./run-id.ts";
import type { RunsWanted } from "./run-list.ts";
import { differences, takeSnapshot } from "./snapshot.ts";
import { openTurns } from "./turns.ts";

export interface Runs {
  /**
   * Mints a run, takes its leases, looks at the lab and its metrics as they are before it, breaks
   * what the scenario asks for, and signs its ticket. Waits up to `waitMs` for what other runs hold
   * and for services that come back, as long as `gone` says that somebody waits for the answer.
   * @throws LabError of `admit`, `lease-held`, or `too-many-runs`.
   */
  readonly create: (request: CreateRun, gone?: AbortSignal) => Promise<CreatedRun>;
  /** A request with this ticket is on its way to the app: the times of its run's faults begin. */
  readonly requested: (ticket: string) => void;
  /** @throws LabError `unknown-run`, or `run-closed` for one that takes no more observations. */
  readonly observe: (runId: string, observation: Observation) => RunRecord;
  readonly get: (runId: string) => RunRecord | undefined;
  /** JSON of the `Evidence` of a run, as long as it is kept. */
  readonly evidence: (runId: string) => string | undefined;
  /** Newest first. */
  readonly list: (by: RunsWanted) => readonly RunRecord[];
  /** The newest of a scenario, as they are kept. */
  readonly lastOf: (scenario: string, limit: number) => readonly KeptRun[];
  readonly count: Records["count"];
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
  /** `SENTRY_ORG_URL`: for links to the organisation that `SENTRY_DSN` belongs to. */
  readonly sentryOrgUrl?: string | undefined;
  readonly patience?: Patience;
  /** Who is there to drive what they asked for. */
  readonly drivers?: Drivers;
  /** Whose word counts; default: that of real backends where there are some, else the store's. */
  readonly judge?: JudgeChoice | undefined;
  readonly backendPatience?: BackendPatience;
}

/** Runs that drivers may have in hand at once. */
export const drivingLimit = 8;
const defaultTimeoutMs = 10_000;
/** On top of the scenario's time: for the ticket to reach the app, and for the run to be closed. */
const ticketMarginMs = 2_000;
const deadlineMarginMs = 10_000;
/** Backends are asked, and scrapes waited for, after everything else. */
const backendMarginMs = 20_000;

/** Everything about runs between the request to start one and its record on disk. */
export function openRuns(options: RunsOptions): Runs {
  const { catalogue, system, source, records, ticketKey, drivers = openDrivers() } = options;
  const live = new Map<string, LiveRun>();
  /** Runs whose baseline is being read: nobody has their ticket yet. */
  let arming = 0;
  const turns = openTurns();
  const leases = openLeases(turns.moved);
  const claims = new Map<string, { readonly claim: Claim; readonly disturbed: Set<Lease> }>();
  /** What lets the times of a run's faults begin. */
  const clocks = new Map<string, () => void>();
  const mint = runIdMint();
  const restartsSeen = new Map(system.services().map((row) => [row.id, row.restarts]));

  const unsubscribe = system.subscribe((row) => {
    const more = row.restarts - (restartsSeen.get(row.id) ?? 0);
    restartsSeen.set(row.id, row.restarts);
    for (const run of live.values()) {
      if (more > 0) run.restarted(row.id, more, row.exitCode);
      run.servicesChanged();
    }
    turns.moved();
  });

  const isReady = (id: ServiceId): boolean =>
    system.services().find((row) => row.id === id)?.state === "ready";

  const snapshot = () => takeSnapshot(system, () => readAppMetrics(system));

  async function create(request: CreateRun, gone?: AbortSignal): Promise<CreatedRun> {
    if (!request.waitMs) return begin(request);
    const patience = AbortSignal.timeout(request.waitMs);
    const until = gone === undefined ? patience : AbortSignal.any([patience, gone]);
    return turns.take(() => begin(request), passes, until);
  }

  /** Somebody else's run, or a service that is on its way back, may stand in the way for a moment only. */
  function passes(refusal: unknown): boolean {
    if (!(refusal instanceof LabError)) return false;
    switch (refusal.code) {
      case "lease-held":
      case "too-many-runs":
        return true;
      case "requirement-missing":
        return claims.size > 0 || system.services().some(isOnItsWay);
      default:
        return false;
    }
  }

  async function begin(request: CreateRun): Promise<CreatedRun> {
    const { scenario, mode, params } = admit(request, catalogue, system.services(), options.unfit);
    const driving = live
      .values()
      .reduce((n, run) => n + Number(run.record().state === "driving"), arming);
    if (driving >= drivingLimit) throw tooMany();
    const runId = mint();
    const faults = mode === "control" ? [] : (scenario.faults?.(params, mode) ?? []);
    const claim = claimOf(scenario, faults);
    const held = leases.take(runId, claim);
    if (held !== undefined) throw leaseHeld(scenario, held);
    const disturbed = overlap(runId, claim);
    const release = (): void => {
      leases.release(runId);
      claims.delete(runId);
    };
    // Its crash is the run's doing, whichever way it comes about.
    const broken = faults.map(brokenService);
    const disrupted = [...new Set([...(scenario.leases ?? []).filter(isService), ...broken])];
    const endLeases = disrupted.map((id) => system.leaseCrashes(id));
    // What was away before the run is not waited for after it.
    const awaited = disrupted.filter(isReady);
    let endWatch = (): void => {};
    const endAll = (): void => {
      endWatch();
      clocks.delete(runId);
      for (const endLease of endLeases) endLease();
      release();
    };
    arming += 1;
    let calmed = (): void => {};
    const choice = judgeChoiceFor(request.judge ?? options.judge, system);
    const backends =
      choice === "backends" ? backendsOf(system, options.backendPatience) : undefined;
    const armed = await arm(scenario, faults, backends, () => calmed())
      .catch((error: unknown) => {
        endAll();
        throw error;
      })
      .finally(() => {
        arming -= 1;
      });
    const { before, metrics, ended } = armed;

    const startedAt = Date.now();
    const timeoutMs = scenario.timeoutMs ?? defaultTimeoutMs;
    const seed = request.seed ?? randomInt(0, 2 ** 32);
    const record: KeptRun = {
      ...newRecord(scenario, { runId, mode, params, seed, startedAt }),
      versions: versionsOf(system),
      judgedBy: judgedBy(backends, metrics),
      ...(request.selfTest ? { selfTest: true } : {}),
    };
    const run = openLiveRun({
      record,
      deadline: startedAt + timeoutMs + deadlineMarginMs + (backends ? backendMarginMs : 0),
      expect: scenario.expect,
      ...{ source, backends, metrics, onChange },
      recovered: () => !ended.active() && awaited.every(isReady),
      compare: async () => differences(before, await snapshot(), disturbed),
      onDriven: () => {
        endWatch();
        ended.driverEnded();
        turns.moved();
      },
      onEnd: () => {
        void ended.disarm();
        endAll();
        // After the verdict is told: to write a large trace takes a moment.
        setImmediate(() => keepEvidence(runId));
      },
      onGone: () => {
        keepEvidence(runId);
        live.delete(runId);
      },
      ...(options.patience ? { patience: options.patience } : {}),
    });
    live.set(runId, run);
    clocks.set(runId, ended.begin);
    calmed = run.calmed;
    if (request.client !== undefined) {
      endWatch = drivers.watch(request.client, () => {
        // Nobody waits for the end of what has a time of its own.
        void ended.disarm();
        run.abandon();
      });
    }
    onChange(run.record());
    const expiresAt = startedAt + timeoutMs + ticketMarginMs;
    const leaveAfterMs = scenario.clientLeavesAfterMs?.(params, mode);
    return {
      runId,
      ticket: signTicket(
        { runId, scenario: scenario.id, mode, params, seed, expiresAt },
        ticketKey,
      ),
      drive: {
        ...{ method: "POST", path: `/api/scenarios/${scenario.id}` },
        ...(leaveAfterMs === undefined ? {} : { leaveAfterMs }),
      },
      stage: scenario.stage ?? false,
    };
  }

  /** Once at a run's end, and once more when nothing more is taken in. */
  function keepEvidence(runId: string): void {
    const run = live.get(runId);
    if (run !== undefined) records.evidence.save(runId, run.evidence());
  }

  /** Looks at the lab as it is, then breaks what the scenario asks for. */
  async function arm(
    scenario: Scenario,
    faults: readonly Fault[],
    backends: Backends | undefined,
    onCalm: () => void,
  ) {
    const reading = readAppMetrics(system);
    const [before, metrics] = await Promise.all([
      takeSnapshot(system, () => reading),
      watchRunMetrics(system, scenario.expect, backends?.prometheus, reading),
    ]);
    try {
      return { before, metrics, ended: await armFaults(system, faults, onCalm) };
    } catch (error) {
      metrics?.close();
      throw error;
    }
  }

  /** What others may change while a run lasts; grows as others start. */
  function overlap(runId: string, claim: Claim): ReadonlySet<Lease> {
    const disturbed = new Set<Lease>();
    for (const other of claims.values()) {
      for (const lease of changedBy(other.claim)) disturbed.add(lease);
      for (const lease of changedBy(claim)) other.disturbed.add(lease);
    }
    claims.set(runId, { claim, disturbed });
    return disturbed;
  }

  function onChange(record: KeptRun): void {
    records.save(record);
    options.onChange(linked(record));
  }

  /** With links to where things are now. A run that goes on has no answers to look at yet. */
  function linked(run: KeptRun): RunRecord {
    const places = { ...placesOf(run, system), sentryOrg: options.sentryOrgUrl };
    const isKept = (): boolean => live.has(run.runId) || records.evidence.has(run.runId);
    return {
      ...run,
      checks: isOver(run) ? withQueryLinks(run.checks, run, places, isKept) : run.checks,
      links: linksOf(run, places),
    };
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

  const find = (runId: string): KeptRun | undefined =>
    live.get(runId)?.record() ?? records.get(runId);

  return {
    create,
    requested: (ticket) => {
      const verified = verifyTicket(ticket, ticketKey, Date.now());
      if (verified.ok) clocks.get(verified.ticket.runId)?.();
    },
    get: (runId) => {
      const run = find(runId);
      return run && linked(run);
    },
    observe: (runId, observation) => {
      const run = live.get(runId);
      if (run === undefined) throw find(runId) === undefined ? unknownRun(runId) : closedRun(runId);
      run.observe(observation);
      return linked(run.record());
    },
    evidence: (runId) => {
      const run = live.get(runId);
      return run === undefined ? records.evidence.get(runId) : JSON.stringify(run.evidence());
    },
    list: (by) => records.list(by).map(linked),
    lastOf: (scenario, limit) => records.list({ scenario, limit }),
    count: records.count,
    feed,
    close: () => {
      unsubscribe();
      for (const run of live.values()) {
        const { runId, endedAt, state } = run.record();
        if (endedAt !== null && state !== "settling") keepEvidence(runId);
        run.close();
      }
      live.clear();
    },
  };
}

function newRecord(
  scenario: Scenario,
  own: Pick<RunRecord, "runId" | "mode" | "params" | "seed" | "startedAt">,
): KeptRun {
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
  };
}

/** By name: the lab, Node, then the services that run. */
const versionsOf = (system: System): Readonly<Record<string, string>> => ({
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

/** Down now, and nobody has to start it. */
function isOnItsWay({ state }: ServiceStatus): boolean {
  switch (state) {
    case "waiting":
    case "preparing":
    case "starting":
    case "backing-off":
    case "stopping":
      return true;
    case "ready":
    case "stopped":
    case "crash-looping":
    case "unavailable":
      return false;
  }
}

const isService = (lease: Lease): lease is Lease & ServiceId =>
  (serviceIds as readonly string[]).includes(lease);

const tooMany = (): LabError =>
  new LabError("too-many-runs", `${drivingLimit} runs are being driven already.`, {
    hint: "Ask again when one of them has ended.",
  });

/** Every run uses the app, and its connections with it. */
const changedBy = ({ own, broken }: Claim): readonly Lease[] => [...own, ...broken, "server"];

const leaseHeld = (
  scenario: Scenario,
  { lease, heldBy, broken }: NonNullable<ReturnType<Leases["take"]>>,
): LabError =>
  new LabError(
    "lease-held",
    broken
      ? `${scenario.id} needs ${lease}, and run ${heldBy} is breaking it.`
      : `${scenario.id} needs ${lease} for itself, and run ${heldBy} holds or uses it.`,
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
