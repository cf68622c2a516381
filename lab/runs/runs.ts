import { randomInt } from "node:crypto";
import type { Catalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import type { Fault } from "#scenarios/fault.ts";
import { signTicket, verifyTicket } from "#scenarios/ticket.ts";
import type { CreatedRun, CreateRun, JudgeChoice, Observation } from "../api/run-request.ts";
import { isOver, type RunRecord } from "../api/runs.ts";
import { armFaults } from "../faults/armed-faults.ts";
import type { StoreSource } from "../sources/store.ts";
import type { FeedMessage } from "../store/contract.ts";
import type { System } from "../system.ts";
import { admit, type Unfit } from "./admission.ts";
import { type BackendPatience, type Backends, backendsOf, judgeChoiceFor } from "./backends.ts";
import { type Drivers, openDrivers } from "./drivers.ts";
import { openHolds } from "./holds.ts";
import { judgedBy } from "./judgement.ts";
import { linksOf } from "./links.ts";
import { type LiveRun, openLiveRun, type Patience } from "./live-run.ts";
import { readAppMetrics, watchRunMetrics } from "./metric-sources.ts";
import { placesOf } from "./places.ts";
import { withQueryLinks } from "./query-links.ts";
import type { KeptRun, Records } from "./records.ts";
import { closedRun, passes, tooManyRuns, unknownRun } from "./refusals.ts";
import { runIdMint } from "./run-id.ts";
import type { RunsWanted } from "./run-list.ts";
import { newRecord, versionsOf } from "./run-record.ts";
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
  const holds = openHolds(system, turns.moved);
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

  const snapshot = () => takeSnapshot(system, () => readAppMetrics(system));

  async function create(request: CreateRun, gone?: AbortSignal): Promise<CreatedRun> {
    if (!request.waitMs) return begin(request);
    const patience = AbortSignal.timeout(request.waitMs);
    const until = gone === undefined ? patience : AbortSignal.any([patience, gone]);
    const mayPass = (refusal: unknown) => passes(refusal, holds.any(), system.services());
    return turns.take(() => begin(request), mayPass, until);
  }

  async function begin(request: CreateRun): Promise<CreatedRun> {
    const { scenario, mode, params } = admit(request, catalogue, system.services(), options.unfit);
    const driving = live
      .values()
      .reduce((n, run) => n + Number(run.record().state === "driving"), arming);
    if (driving >= drivingLimit) throw tooManyRuns(drivingLimit);
    const runId = mint();
    const faults = mode === "control" ? [] : (scenario.faults?.(params, mode) ?? []);
    const hold = holds.take(runId, scenario, faults);
    let endWatch = (): void => {};
    const endAll = (): void => {
      endWatch();
      clocks.delete(runId);
      hold.release();
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
    const seed = request.seed ?? randomInt(0, 2 ** 32);
    const record = newRecord({
      ...{ runId, scenario: scenario.id, mode, params, seed, startedAt },
      versions: versionsOf(system),
      judgedBy: judgedBy(backends, metrics),
      ...(request.selfTest ? { selfTest: true } : {}),
    });
    const run = openLiveRun({
      record,
      deadline:
        startedAt + timeoutOf(scenario) + deadlineMarginMs + (backends ? backendMarginMs : 0),
      expect: scenario.expect,
      ...{ source, backends, metrics, onChange },
      recovered: () => !ended.active() && hold.recovered(),
      compare: async () => differences(before, await snapshot(), hold.disturbed),
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
    return createdRun(scenario, record, ticketKey);
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

const timeoutOf = ({ timeoutMs = defaultTimeoutMs }: Scenario): number => timeoutMs;

/** What whoever drives the run has to know. */
function createdRun(
  scenario: Scenario,
  { runId, mode, params, seed, startedAt }: KeptRun,
  ticketKey: string,
): CreatedRun {
  const expiresAt = startedAt + timeoutOf(scenario) + ticketMarginMs;
  const ticket = { runId, scenario: scenario.id, mode, params, seed, expiresAt };
  const leaveAfterMs = scenario.clientLeavesAfterMs?.(params, mode);
  return {
    runId,
    ticket: signTicket(ticket, ticketKey),
    drive: {
      ...{ method: "POST", path: `/api/scenarios/${scenario.id}` },
      ...(leaveAfterMs === undefined ? {} : { leaveAfterMs }),
    },
    stage: scenario.stage ?? false,
  };
}
