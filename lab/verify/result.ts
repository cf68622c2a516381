import type { Check, Verdict } from "#lab/api/checks.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import type { ControlOutcome } from "#lab/api/self-test.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { worst } from "#lab/judge/finding.ts";
import { holdsIn, type JudgedCheck, judgeOne } from "#lab/judge/judge.ts";
import { prepare } from "#lab/judge/prepare.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { Job } from "./plan.ts";

/** Why a job has no verdict of its run, or another one than its run. */
export interface Trouble {
  readonly message: string;
  readonly hint: string;
}

/** What came of one job. Plain data: the report of `--json` holds it as it is. */
export interface JobResult {
  readonly scenario: string;
  readonly mode: Mode;
  readonly verdict: Verdict;
  readonly runId: string | null;
  /** Where the run can be looked at while the lab runs. */
  readonly page: string | null;
  readonly checks: readonly Check[];
  /** From the order to the verdict. */
  readonly durationMs: number;
  /** From the end of the run to its verdict; null where there was none. */
  readonly verdictMs: number | null;
  /** Of a control run: how well the expectations tell the fault from the same work without it: the fault's expectations of telemetry, held against it. */
  readonly apart: ControlOutcome | null;
  readonly trouble: Trouble | null;
}

const telemetry: ReadonlySet<Expectation["signal"]> = new Set([
  "span",
  "order",
  "trace",
  "metric",
  "log",
  "sentry",
  "agree",
  "secrets",
  "check",
]);

/** Holds what is expected of the fault alone against the evidence of a control run. */
export function tellApart(expectations: readonly Expectation[], control: Evidence): ControlOutcome {
  const prepared = prepare(control);
  const judged = expectations.flatMap((expectation, index) =>
    telemetry.has(expectation.signal) &&
    holdsIn(expectation, "fault") &&
    !holdsIn(expectation, "control")
      ? [judgeOne(expectation, prepared, index)]
      : [],
  );
  const positions = (wanted: (check: JudgedCheck) => boolean) =>
    judged.filter(wanted).map(({ index }) => index);
  return {
    failed: positions(({ verdict }) => verdict === "fail"),
    met: positions(({ verdict }) => verdict === "pass"),
  };
}

/** @param apart undefined when the evidence of a control run was not to be had. */
export function resultOf(
  job: Job,
  run: {
    readonly record: RunRecord;
    readonly page: string;
    readonly durationMs: number;
    readonly verdictMs: number | null;
  },
  apart: ControlOutcome | undefined,
): JobResult {
  const { record, page, durationMs, verdictMs } = run;
  const verdict: Verdict = record.verdict === "declared" ? "inconclusive" : record.verdict;
  const trouble = job.mode === "control" ? troubleOf(apart) : null;
  return {
    scenario: record.scenario,
    mode: record.mode,
    verdict: trouble === null ? verdict : worst([verdict, trouble.verdict]),
    runId: record.runId,
    ...{ page, durationMs, verdictMs },
    checks: record.checks,
    apart: apart ?? null,
    trouble: trouble && { message: trouble.message, hint: trouble.hint },
  };
}

function troubleOf(apart: ControlOutcome | undefined): (Trouble & { verdict: Verdict }) | null {
  if (apart === undefined) {
    return {
      verdict: "inconclusive",
      message: "The evidence of the control run is not kept any more.",
      hint: "Verify fewer scenarios at a time.",
    };
  }
  if (apart.failed.length > 0) return null;
  return {
    verdict: "fail",
    message: "The control run meets all that is expected of the fault's telemetry.",
    hint: "Expect something that only the fault leaves: else the check passes whatever happens.",
  };
}

/** A job that could not be carried out. */
export const withoutRun = (
  job: Job,
  trouble: Trouble,
  verdict: "fail" | "inconclusive" | "not-applicable",
  durationMs: number,
): JobResult => ({
  scenario: job.scenario.id,
  mode: job.mode,
  verdict,
  runId: null,
  page: null,
  checks: [],
  durationMs,
  verdictMs: null,
  apart: null,
  trouble,
});
