import {
  type CreatedRun,
  type CreateRun,
  type Observation,
  type OtlpTrace,
  type RunRecord,
  routes,
  type SignalSeen,
} from "#lab/api.ts";
import { LabError } from "#lab/errors.ts";
import { loadCatalogue } from "#scenarios/catalogue.ts";
import type { Mode, ParamValue, Scenario } from "#scenarios/define.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";
import { type Driven, drive } from "./driver.ts";
import { driveInPage } from "./page-driver.ts";
import { type Outcome, outcomeOf } from "./run-outcome.ts";
import { type RunWatch, watchRun } from "./run-watch.ts";
import { ask, type OpenLab, requireLab } from "./running-lab.ts";

export interface RunRequest {
  readonly scenario: string;
  readonly mode: Mode;
  readonly params: Readonly<Record<string, ParamValue>>;
  readonly seed: number | undefined;
  readonly json: boolean;
}

/** The lab closes a run by itself this long after the scenario's own time; then some for the way. */
const closedAfterMs = 15_000;
const defaultTimeoutMs = 10_000;

/**
 * Runs a scenario against the running lab and waits for its telemetry. Scenarios with a browser part
 * are driven in headless Chromium. Exit code: see {@link outcomeOf}.
 * @throws LabError `unknown-scenario`, `no-browser`, or why the lab does not start the run.
 */
export async function run(request: RunRequest, context: Context): Promise<ExitCode> {
  const scenario = await scenarioOf(request.scenario);
  const lab = await requireLab(context.dir);
  const record = await (scenario.stage
    ? runInPage(lab, request, scenario, context)
    : runHere(lab, request, scenario, context));
  const trace = await readTrace(lab, record.traceIds[0]);
  const outcome = outcomeOf(record, trace, scenario);
  const page = `${lab.origin}/runs/${record.runId}`;
  if (request.json) printJson(context, { ...outcome, page, run: record });
  else for (const line of lines(record, outcome, page)) context.out(line);
  return outcome.exitCode;
}

/** This process drives: it is the service `lab-cli` of the trace. */
async function runHere(
  lab: OpenLab,
  request: RunRequest,
  scenario: Scenario,
  context: Context,
): Promise<RunRecord> {
  const created = await ask<CreatedRun>(lab, routes.runs, {
    method: "POST",
    body: orderOf(request),
  });
  const watch = await watchRun(lab, created.runId);
  try {
    const driven = await drive(lab.origin, created, { id: scenario.id, mode: request.mode });
    if (driven.undelivered !== undefined) {
      context.say(`The driver's own spans were not taken: ${driven.undelivered}`);
    }
    await observe(lab, created.runId, driven);
    return await watch.ended(limitOf(scenario));
  } finally {
    watch.close();
  }
}

/** The page drives, as if somebody had clicked. */
async function runInPage(
  lab: OpenLab,
  request: RunRequest,
  scenario: Scenario,
  context: Context,
): Promise<RunRecord> {
  let watch: RunWatch | undefined;
  const inPage = await driveInPage(lab.origin, orderOf(request), context.env, async (runId) => {
    watch = await watchRun(lab, runId);
  });
  try {
    watch ??= await watchRun(lab, inPage.runId);
    return await watch.ended(limitOf(scenario));
  } finally {
    watch?.close();
    await inPage.close();
  }
}

const orderOf = ({ scenario, mode, params, seed }: RunRequest): CreateRun => ({
  scenario,
  mode,
  params: { ...params },
  ...(seed === undefined ? {} : { seed }),
});

const limitOf = ({ timeoutMs }: Scenario): number =>
  (timeoutMs ?? defaultTimeoutMs) + closedAfterMs;

async function scenarioOf(id: string): Promise<Scenario> {
  const catalogue = await loadCatalogue();
  const scenario = catalogue.get(id);
  if (scenario !== undefined) return scenario;
  throw new LabError("unknown-scenario", `There is no scenario "${id}".`, {
    hint: `There are: ${[...catalogue.keys()].join(", ")}.`,
  });
}

async function observe(lab: OpenLab, runId: string, driven: Driven): Promise<void> {
  const observation: Observation = {
    driver: "lab-cli",
    traceId: driven.traceId,
    answer: driven.answer,
    ended: true,
  };
  await ask(lab, routes.observations(runId), { method: "POST", body: observation });
}

/** Undefined while nothing of the trace has arrived. */
async function readTrace(
  lab: OpenLab,
  traceId: string | undefined,
): Promise<OtlpTrace | undefined> {
  if (traceId === undefined) return undefined;
  return ask<OtlpTrace>(lab, routes.trace(traceId)).catch(() => undefined);
}

function lines(record: RunRecord, outcome: Outcome, page: string): string[] {
  const { scenario, mode, params, answer, counts, signals, checks, restarts, driver } = record;
  const words = Object.entries(params).map(([name, value]) => `${name}=${value}`);
  const restarted = Object.entries(restarts).map(([id, times]) => `${id} restarted ${times}×`);
  // The command line as the driver is no browser.
  const ownSignals = signals.filter(({ id }) => id !== "browser-span" || driver === "lab-web");
  return [
    `${scenario}  ${[mode, ...words].join(", ")}`,
    `  trace    ${record.traceIds[0] ?? "none"}`,
    `  answer   ${answerWords(answer)}`,
    `  seen     ${[`${counts.spans} spans`, `${counts.logs} log lines`, `${counts.sentry} Sentry items`, ...restarted].join(", ")}`,
    `  visible  ${ownSignals.map(signalWords).join(", ")}`,
    "  declares",
    ...checks.map(({ state, title }) => `    ${state.padEnd(14)} ${fillIn(title, params)}`),
    `  page     ${page}`,
    outcome.words,
  ];
}

function answerWords(answer: RunRecord["answer"]): string {
  if (answer === null) return "none";
  const time = `${Math.round(answer.durationMs)} ms`;
  return answer.status === 0
    ? `connection broken after ${time}: ${answer.error ?? "no reason given"}`
    : `${answer.status} after ${time}`;
}

const signalWords = ({ id, seenAfterMs }: SignalSeen): string =>
  `${id} ${seenAfterMs === null ? "not seen" : `${Math.round(seenAfterMs)} ms`}`;

/** `${params.n}` with the value that the run had. */
const fillIn = (title: string, params: RunRecord["params"]): string =>
  title.replace(/\$\{params\.(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
