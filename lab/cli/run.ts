import type { Check } from "#lab/api/checks.ts";
import { type CreateRun, type JudgeChoice, waitForOthersMs } from "#lab/api/run-request.ts";
import type { RunRecord, SignalSeen } from "#lab/api/runs.ts";
import { LabError } from "#lab/errors.ts";
import { missLines } from "#lab/verify/check-lines.ts";
import { loadCatalogue } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { ParamValue } from "#scenarios/param-spec.ts";
import { tellChanged } from "./changed-scenarios.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";
import { performRun } from "./perform-run.ts";
import { type Outcome, outcomeOf } from "./run-outcome.ts";
import { requireLab } from "./running-lab.ts";

export interface RunRequest {
  readonly scenario: string;
  readonly mode: Mode;
  readonly params: Readonly<Record<string, ParamValue>>;
  readonly seed: number | undefined;
  readonly judge: JudgeChoice | undefined;
  readonly json: boolean;
}

/**
 * Runs a scenario against the running lab and waits for its verdict. Scenarios with a browser part
 * are driven in headless Chromium. Exit code: see {@link outcomeOf}.
 * @throws LabError `unknown-scenario`, `no-browser`, or why the lab does not start the run.
 */
export async function run(request: RunRequest, context: Context): Promise<ExitCode> {
  const scenario = await scenarioOf(request.scenario);
  const lab = await requireLab(context.dir);
  await tellChanged([scenario.id], context);
  const record = await performRun(lab, orderOf(request, scenario), scenario, context);
  const outcome = outcomeOf(record);
  const page = `${lab.origin}/runs/${record.runId}`;
  if (request.json) printJson(context, { ...outcome, page, run: record });
  else for (const line of lines(record, outcome, page)) context.out(line);
  return outcome.exitCode;
}

const orderOf = (
  { scenario, mode, params, seed, judge }: RunRequest,
  { params: spec }: Scenario,
): CreateRun => ({
  scenario,
  mode,
  // An option may look like a number: an SQLSTATE does.
  params: Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      spec[name]?.kind === "choice" ? String(value) : value,
    ]),
  ),
  ...(seed === undefined ? {} : { seed }),
  ...(judge === undefined ? {} : { judge }),
  waitMs: waitForOthersMs,
});

async function scenarioOf(id: string): Promise<Scenario> {
  const catalogue = await loadCatalogue();
  const scenario = catalogue.get(id);
  if (scenario !== undefined) return scenario;
  throw new LabError("unknown-scenario", `There is no scenario "${id}".`, {
    hint: `There are: ${[...catalogue.keys()].join(", ")}.`,
  });
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
    `  seen     ${[counted(counts.spans, "span"), counted(counts.logs, "log line"), counted(counts.sentry, "Sentry item"), ...restarted].join(", ")}`,
    `  visible  ${ownSignals.map(signalWords).join(", ")}`,
    "  checks",
    ...checks.flatMap(checkLines),
    `  page     ${page}`,
    outcome.words,
  ];
}

const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

function answerWords(answer: RunRecord["answer"]): string {
  if (answer === null) return "none";
  const time = `${Math.round(answer.durationMs)} ms`;
  return answer.status === 0
    ? `connection broken after ${time}: ${answer.error ?? "no reason given"}`
    : `${answer.status} after ${time}`;
}

const signalWords = ({ id, seenAfterMs }: SignalSeen): string =>
  `${id} ${seenAfterMs === null ? "not seen" : `${Math.round(seenAfterMs)} ms`}`;

/** What did not pass says why. */
const checkLines = (check: Check): string[] => [
  `    ${check.state.padEnd(14)} ${check.title}`,
  ...(check.state === "fail" || check.state === "inconclusive"
    ? missLines(check).map((line) => `${"".padEnd(19)} ${line}`)
    : []),
];
