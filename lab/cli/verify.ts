import { readFile, writeFile } from "node:fs/promises";
import { type RunRecord, routes } from "#lab/api.ts";
import { LabError } from "#lab/errors.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { lineOfExpectation } from "#lab/judge/validate.ts";
import { readRunning } from "#lab/state/lock.ts";
import { junitOf } from "#lab/verify/junit.ts";
import { carryOut, type Job, planJobs } from "#lab/verify/plan.ts";
import {
  annotations,
  exitCodeOf,
  resultLines,
  summaryLine,
  verdictOf,
} from "#lab/verify/report.ts";
import { type JobResult, resultOf, tellApart, withoutRun } from "#lab/verify/result.ts";
import {
  type Matrix,
  matrixLines,
  type Recorded,
  selfTest,
  survivors,
} from "#lab/verify/self-test.ts";
import { type Catalogue, loadCatalogue, scenariosFolder } from "#scenarios/catalogue.ts";
import type { Scenario } from "#scenarios/define.ts";
import { plainBoard } from "./board.ts";
import { type Context, type ExitCode, printJson } from "./context.ts";
import { onStopRequest } from "./interrupts.ts";
import { openSession } from "./lab-session.ts";
import { patiently } from "./patiently.ts";
import { performRun } from "./perform-run.ts";
import { ask, type LabAddress, requireLab } from "./running-lab.ts";
import { usageHint } from "./usage.ts";

export interface VerifyRequest {
  /** All of the catalogue when empty. */
  readonly scenarios: readonly string[];
  readonly selfTest: boolean;
  readonly junit: string | undefined;
  readonly json: boolean;
}

/**
 * Runs scenarios in all their modes and judges them. Uses the running lab of this clone, else starts
 * one for as long as it takes. Exit code: 0 all passed, 1 a check failed, a control run could not be
 * told from the fault, or a mutant survived; 2 something could not be judged; 3 unknown scenario.
 * @throws LabError when no lab can be had, `interrupted`, or `report-unwritable`.
 */
export async function verify(request: VerifyRequest, context: Context): Promise<ExitCode> {
  const catalogue = await loadCatalogue();
  const unknown = request.scenarios.filter((id) => !catalogue.has(id));
  if (unknown.length > 0) return unknownScenarios(unknown, catalogue, request, context);
  const chosen = [...catalogue.values()].filter(
    ({ id }) => request.scenarios.length === 0 || request.scenarios.includes(id),
  );
  const startedAt = performance.now();
  const report = await withLab(context, (lab) => verifyAll(chosen, lab, request, context));
  return tell(
    { ...report, durationMs: performance.now() - startedAt },
    catalogue,
    request,
    context,
  );
}

interface Report {
  readonly results: readonly JobResult[];
  readonly matrix: Matrix | null;
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

/** The running lab, or one of this process that ends with the work. */
async function withLab<T>(context: Context, work: (lab: LabAddress) => Promise<T>): Promise<T> {
  const interrupted = Promise.withResolvers<never>();
  interrupted.promise.catch(() => {});
  let force = (): void => {};
  const dispose = onStopRequest((request) => {
    if (request > 1) return force();
    context.say("Stopping; Ctrl-C again ends everything at once.");
    interrupted.reject(
      new LabError("interrupted", "The verification was interrupted.", {
        hint: "Run it again; nothing is left running.",
      }),
    );
  });
  try {
    if ((await readRunning(context.dir)) !== undefined) {
      return await Promise.race([work(await requireLab(context.dir)), interrupted.promise]);
    }
    context.say("No lab of this clone is running: starting one for this verification.");
    const env = { ...context.env, LAB_PORT: context.env.LAB_PORT ?? "0" };
    const board = plainBoard(context.say);
    const session = await openSession({ ...context, env }, board);
    force = () => void session.close();
    try {
      const { service, page } = await Promise.race([session.settled(), interrupted.promise]);
      const problem = service ?? page;
      if (problem !== undefined) throw problem;
      return await Promise.race([work(session), interrupted.promise]);
    } finally {
      await session.close();
      board.end();
    }
  } finally {
    dispose();
  }
}

async function verifyAll(
  scenarios: readonly Scenario[],
  lab: LabAddress,
  request: VerifyRequest,
  context: Context,
): Promise<Report> {
  const progress = request.json ? context.say : context.out;
  const evidence = new Map<string, Evidence>();
  const results = await carryOut(planJobs(scenarios), async (job) => {
    const result = await performJob(job, lab, context, (one) => evidence.set(keyOf(job), one));
    for (const line of resultLines(result)) progress(line);
    return result;
  });
  if (!request.selfTest) return { results, matrix: null };
  const recorded = scenarios.map((scenario): Recorded => {
    const own = results.filter((result) => result.scenario === scenario.id);
    const passed = own.filter(({ mode, verdict }) => mode !== "control" && verdict === "pass");
    return {
      scenario,
      passed: passed.flatMap(({ mode }) => evidence.get(keyOf({ scenario, mode })) ?? []),
      apart: own.find(({ mode }) => mode === "control")?.apart ?? null,
    };
  });
  return { results, matrix: selfTest(recorded) };
}

const keyOf = ({ scenario, mode }: Job): string => `${scenario.id} ${mode}`;

/** Never rejects with a `LabError`: a job that cannot be carried out has that for a result. */
async function performJob(
  job: Job,
  lab: LabAddress,
  context: Context,
  keep: (evidence: Evidence) => void,
): Promise<JobResult> {
  const { scenario, mode } = job;
  const startedAt = performance.now();
  const passed = (): number => performance.now() - startedAt;
  try {
    const order = { scenario: scenario.id, mode };
    const record = await patiently(() => performRun(lab, order, scenario, context));
    const run = {
      record,
      page: `${lab.origin}/runs/${record.runId}`,
      durationMs: passed(),
      verdictMs: record.endedAt === null ? null : Date.now() - record.endedAt,
    };
    const evidence = await evidenceOf(lab, record);
    if (evidence !== undefined) keep(evidence);
    const apart =
      mode === "control" && evidence !== undefined
        ? tellApart(scenario.expect, evidence)
        : undefined;
    return resultOf(job, run, apart);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    // A scenario that nobody can judge is wrong; whatever else keeps a run away may be better next time.
    const verdict = error.code === "scenario-unfit" ? "fail" : "inconclusive";
    return withoutRun(job, { message: error.message, hint: error.hint }, verdict, passed());
  }
}

/** Undefined when the lab does not keep it any more. */
const evidenceOf = (lab: LabAddress, { runId }: RunRecord): Promise<Evidence | undefined> =>
  ask<Evidence>(lab, routes.evidence(runId)).catch(() => undefined);

async function tell(
  { results, matrix, durationMs }: Report & { readonly durationMs: number },
  catalogue: Catalogue,
  { junit, json }: VerifyRequest,
  context: Context,
): Promise<ExitCode> {
  const verdict = verdictOf(results);
  const alive = matrix === null ? [] : survivors(matrix);
  const exitCode = alive.length > 0 ? 1 : exitCodeOf(verdict);
  const line = json ? context.say : context.out;
  if (matrix !== null) for (const text of matrixLines(matrix)) line(text);
  line(summaryLine(results, durationMs));
  if (alive.length > 0) line(`No check noticed: ${alive.join(", ")}.`);
  if (junit !== undefined) await writeReport(junit, junitOf(results));
  if (context.env.GITHUB_ACTIONS) {
    const lineOf = await expectationLines(catalogue);
    for (const text of annotations(results, lineOf)) line(text);
  }
  if (json) printJson(context, { exitCode, verdict, durationMs, results, selfTest: matrix });
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
      const file = new URL(`${id.replace(".", "/")}.ts`, folder);
      return [id, await readFile(file, "utf8").catch(() => "")] as const;
    }),
  );
  const sourceOf = new Map(sources);
  return (id, index) => {
    const scenario = catalogue.get(id);
    return scenario && lineOfExpectation(sourceOf.get(id) ?? "", scenario, index);
  };
}
