import { randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import type { JudgeChoice } from "#lab/api/run-request.ts";
import type { SelfTestMatrix } from "#lab/api/self-test.ts";
import { LabError } from "#lab/errors.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { lineOfExpectation } from "#lab/judge/validate.ts";
import { type Unfit, unfitError } from "#lab/runs/admission.ts";
import { unfitScenarios } from "#lab/runs/unfit.ts";
import { writeSelfTest } from "#lab/state/self-test-file.ts";
import { junitOf } from "#lab/verify/junit.ts";
import { planTrials, withTrials } from "#lab/verify/live-trials.ts";
import { matrixLines } from "#lab/verify/matrix-lines.ts";
import { carryOut, type Job, planJobs, shuffled } from "#lab/verify/plan.ts";
import {
  annotations,
  exitCodeOf,
  resultLines,
  summaryLine,
  verdictOf,
} from "#lab/verify/report.ts";
import { type JobResult, withoutRun } from "#lab/verify/result.ts";
import { type Recorded, selfTest, survivors, vacuousChecks } from "#lab/verify/self-test.ts";
import {
  type Catalogue,
  loadCatalogue,
  scenarioFile,
  scenariosFolder,
} from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { tellChanged } from "./changed-scenarios.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";
import type { LabAddress } from "./running-lab.ts";
import { usageHint } from "./usage.ts";
import { performJob, performTrial } from "./verify-jobs.ts";
import { withLab } from "./with-lab.ts";

export interface VerifyRequest {
  /** All of the catalogue when empty. */
  readonly scenarios: readonly string[];
  readonly selfTest: boolean;
  /** What cannot be judged here for want of a program or a source is not let pass. */
  readonly strict: boolean;
  /** Of the order of the runs; any when undefined. */
  readonly seed: number | undefined;
  /** Whose word counts; what the lab was started with when undefined. */
  readonly judge: JudgeChoice | undefined;
  readonly junit: string | undefined;
  readonly json: boolean;
}

/**
 * Runs scenarios in all their modes and judges them, in an order that is another every time. Uses
 * the running lab of this clone, else starts one for as long as it takes. Exit code: 0 all passed;
 * 1 a check failed, a control run could not be told from the fault, a mutant survived the whole
 * catalogue, or a check cannot fail; 2 something could not be judged; 3 unknown scenario.
 * @throws LabError when no lab can be had, `interrupted`, or `report-unwritable`.
 */
export async function verify(request: VerifyRequest, context: Context): Promise<ExitCode> {
  const catalogue = await loadCatalogue();
  const unknown = request.scenarios.filter((id) => !catalogue.has(id));
  if (unknown.length > 0) return unknownScenarios(unknown, catalogue, request, context);
  const chosen = [...catalogue.values()].filter(
    ({ id }) => request.scenarios.length === 0 || request.scenarios.includes(id),
  );
  const seed = request.seed ?? randomInt(0, 2 ** 32);
  const startedAt = performance.now();
  await tellChanged(
    chosen.map(({ id }) => id),
    context,
  );
  const unfit = await unfitScenarios(catalogue, scenariosFolder(process.env));
  // A lab would only say the same of them, and takes its time to start.
  const found = chosen.every(({ id }) => unfit.has(id))
    ? refuseAll(chosen, unfit, request, context)
    : await withLab(context, (lab) => verifyAll(chosen, seed, lab, request, context));
  const report = { ...found, seed, durationMs: performance.now() - startedAt };
  const { matrix, durationMs } = report;
  if (matrix !== null && request.scenarios.length === 0) {
    const runs = report.results.length;
    await writeSelfTest(context.dir, { at: Date.now(), durationMs, seed, runs, matrix });
  }
  return tell(report, catalogue, request, context);
}

interface Report {
  /** In the order of the catalogue. */
  readonly results: readonly JobResult[];
  readonly matrix: SelfTestMatrix | null;
}

function unknownScenarios(
  unknown: readonly string[],
  catalogue: Catalogue,
  { json }: VerifyRequest,
  context: Context,
): ExitCode {
  const message = `There is no scenario "${unknown.join('", "')}".`;
  const hint = `There are: ${[...catalogue.keys()].join(", ")}. ${usageHint}`;
  context.say(`${message}\n  hint: ${hint}`);
  if (json) printJson(context, { error: { code: "unknown-scenario", message, hint } });
  return 3;
}

function refuseAll(
  scenarios: readonly Scenario[],
  unfit: Unfit,
  { json }: VerifyRequest,
  { say, out }: Context,
): Report {
  const results = planJobs(scenarios).map((job) => {
    const trouble = unfitError(job.scenario, unfit.get(job.scenario.id) ?? "");
    return withoutRun(job, trouble, "fail", 0);
  });
  for (const line of results.flatMap(resultLines)) (json ? say : out)(line);
  return { results, matrix: null };
}

async function verifyAll(
  scenarios: readonly Scenario[],
  seed: number,
  lab: LabAddress,
  request: VerifyRequest,
  context: Context,
): Promise<Report> {
  const { judge } = request;
  const progress = request.json ? context.say : context.out;
  const jobs = planJobs(scenarios);
  progress(`${jobs.length} runs, in the order of --seed ${seed}`);
  const evidence = new Map<string, Evidence>();
  const done = new Map<string, JobResult>();
  await carryOut(shuffled(jobs, seed), async (job) => {
    const result = await performJob({ ...job, judge }, lab, context, (one) =>
      evidence.set(keyOf(job), one),
    );
    for (const line of resultLines(result)) progress(line);
    done.set(keyOf(job), result);
  });
  const results = jobs.flatMap((job) => done.get(keyOf(job)) ?? []);
  if (!request.selfTest) return { results, matrix: null };
  const recorded = scenarios.map((scenario): Recorded => {
    const own = results.filter((result) => result.scenario === scenario.id);
    const passed = own.filter(({ verdict }) => verdict === "pass");
    return {
      scenario,
      passed: passed.flatMap(({ mode }) => evidence.get(keyOf({ scenario, mode })) ?? []),
      apart: own.find(({ mode }) => mode === "control")?.apart ?? null,
    };
  });
  const matrix = selfTest(recorded);
  const trials = planTrials(recorded);
  const outcomes = await carryOut(
    trials.map((trial) => ({ ...trial, mode: "fault" as const })),
    async (trial) => {
      const cell = await performTrial({ ...trial, judge }, lab, context);
      progress(
        `${cell.padEnd(16)} ${trial.scenario.id.padEnd(24)} ${trial.mutant} in the running app`,
      );
      return { ...trial, cell };
    },
  );
  return { results, matrix: withTrials(matrix, outcomes) };
}

const keyOf = ({ scenario, mode }: Job): string => `${scenario.id} ${mode}`;

/** Of a self-test that was asked for some scenarios only. */
const aloneHint =
  "One scenario need not catch everything: the catalogue has to. Of what yours misses, checks of `trace`, `answer`, error lines and Sentry catch most; db.n-plus-one has them.";

async function tell(
  { results, matrix, durationMs, seed }: Report & { durationMs: number; seed: number },
  catalogue: Catalogue,
  { junit, json, strict, scenarios }: VerifyRequest,
  context: Context,
): Promise<ExitCode> {
  const verdict = verdictOf(results);
  // A mutant has to be noticed by the catalogue; a few scenarios of it owe nobody that.
  const alive = matrix === null || scenarios.length > 0 ? [] : survivors(matrix);
  const vacuous = matrix === null ? [] : vacuousChecks(matrix);
  const exitCode = alive.length + vacuous.length > 0 ? 1 : exitCodeOf(results, strict);
  const line = json ? context.say : context.out;
  if (matrix !== null) for (const text of matrixLines(matrix)) line(text);
  if (matrix !== null && scenarios.length > 0) line(aloneHint);
  line(summaryLine(results, durationMs));
  if (alive.length > 0) line(`No check noticed: ${alive.join(", ")}.`);
  if (vacuous.length > 0) line(`Nothing makes these checks fail: ${vacuous.join(", ")}.`);
  if (junit !== undefined) await writeReport(junit, junitOf(results));
  if (context.env.GITHUB_ACTIONS) {
    const lineOf = await expectationLines(catalogue);
    for (const text of annotations(results, lineOf)) line(text);
  }
  if (json) printJson(context, { exitCode, verdict, seed, durationMs, results, selfTest: matrix });
  return exitCode;
}

async function writeReport(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new LabError("report-unwritable", `${file} could not be written.`, {
      hint: (error as Error).message,
      cause: error,
    });
  }
}

async function expectationLines(
  catalogue: Catalogue,
): Promise<(scenario: string, index: number) => number | undefined> {
  const folder = scenariosFolder(process.env);
  const sources = await Promise.all(
    [...catalogue.keys()].map(async (id) => {
      const file = new URL(scenarioFile(id), folder);
      return [id, await readFile(file, "utf8").catch(() => "")] as const;
    }),
  );
  const sourceOf = new Map(sources);
  return (id, index) => {
    const scenario = catalogue.get(id);
    return scenario && lineOfExpectation(sourceOf.get(id) ?? "", scenario, index);
  };
}
