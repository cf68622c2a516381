import {
  type CreatedRun,
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
import { type Outcome, outcomeOf } from "./run-outcome.ts";
import { watchRun } from "./run-watch.ts";
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
 * Runs a scenario against the running lab and waits for its telemetry. Exit code: see
 * {@link outcomeOf}; 2 for a scenario that needs the page.
 * @throws LabError `unknown-scenario`, or why the lab does not start the run.
 */
export async function run(request: RunRequest, context: Context): Promise<ExitCode> {
  const scenario = await scenarioOf(request.scenario);
  const lab = await requireLab(context.dir);
  if (scenario.stage) return needsPage(scenario, lab, request.json, context);
  const created = await ask<CreatedRun>(lab, routes.runs, {
    method: "POST",
    body: {
      scenario: request.scenario,
      mode: request.mode,
      params: request.params,
      ...(request.seed === undefined ? {} : { seed: request.seed }),
    },
  });
  const watch = await watchRun(lab, created.runId);
  try {
    const driven = await drive(lab.origin, created, { id: scenario.id, mode: request.mode });
    if (driven.undelivered !== undefined) {
      context.say(`The driver's own spans were not taken: ${driven.undelivered}`);
    }
    await observe(lab, created.runId, driven);
    const limitMs = (scenario.timeoutMs ?? defaultTimeoutMs) + closedAfterMs;
    const record =
      (await watch.ended(limitMs)) ?? (await ask<RunRecord>(lab, routes.run(created.runId)));
    const trace = await readTrace(lab, driven.traceId);
    const outcome = outcomeOf(record, trace, scenario.expect);
    const page = `${lab.origin}/runs/${record.runId}`;
    if (request.json) printJson(context, { ...outcome, page, run: record });
    else for (const line of lines(record, driven.traceId, outcome, page)) context.out(line);
    return outcome.exitCode;
  } finally {
    watch.close();
  }
}

async function scenarioOf(id: string): Promise<Scenario> {
  const catalogue = await loadCatalogue();
  const scenario = catalogue.get(id);
  if (scenario !== undefined) return scenario;
  throw new LabError("unknown-scenario", `There is no scenario "${id}".`, {
    hint: `There are: ${[...catalogue.keys()].join(", ")}.`,
  });
}

function needsPage(scenario: Scenario, lab: OpenLab, json: boolean, context: Context): ExitCode {
  const page = `${lab.origin}/scenarios/${scenario.id}`;
  const words = `${scenario.id} happens in the browser, so it needs the page: ${page}`;
  if (json) printJson(context, { exitCode: 2, words, page });
  else context.out(words);
  return 2;
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
async function readTrace(lab: OpenLab, traceId: string): Promise<OtlpTrace | undefined> {
  return ask<OtlpTrace>(lab, routes.trace(traceId)).catch(() => undefined);
}

function lines(record: RunRecord, traceId: string, outcome: Outcome, page: string): string[] {
  const { scenario, mode, params, answer, counts, signals, checks, restarts } = record;
  const words = Object.entries(params).map(([name, value]) => `${name}=${value}`);
  const restarted = Object.entries(restarts).map(([id, times]) => `${id} restarted ${times}×`);
  // This driver is no browser.
  const ownSignals = signals.filter(({ id }) => id !== "browser-span");
  return [
    `${scenario}  ${[mode, ...words].join(", ")}`,
    `  trace    ${traceId}`,
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
