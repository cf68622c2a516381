import { routes } from "#lab/api/routes.ts";
import { type JudgeChoice, longWaitForOthersMs } from "#lab/api/run-request.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import { LabError } from "#lab/errors.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { loadSecrets } from "#lab/state/secrets.ts";
import type { Trial } from "#lab/verify/live-trials.ts";
import type { Job } from "#lab/verify/plan.ts";
import { type JobResult, resultOf, tellApart, withoutRun } from "#lab/verify/result.ts";
import { signTicket, verifyTicket } from "#scenarios/ticket.ts";
import type { Context } from "./context.ts";
import { performRun, performWithTicket } from "./perform-run.ts";
import { ask, type LabAddress } from "./running-lab.ts";

/** Waiting would not bring what is missing: neither a program nor a browser. */
const absent: ReadonlySet<string> = new Set(["requirement-absent", "no-browser"]);

interface Judged {
  /** Whose word counts; what the lab was started with when undefined. */
  readonly judge: JudgeChoice | undefined;
}

/**
 * Carries out one run of a verification. Never rejects with a `LabError`: a job that cannot be
 * carried out has that for a result.
 * @param keep gets the evidence of the run.
 */
export async function performJob(
  job: Job & Judged,
  lab: LabAddress,
  context: Context,
  keep: (evidence: Evidence) => void,
): Promise<JobResult> {
  const { scenario, mode, judge } = job;
  const startedAt = performance.now();
  const passed = (): number => performance.now() - startedAt;
  try {
    const order = { scenario: scenario.id, mode, judge, waitMs: longWaitForOthersMs };
    const record = await performRun(lab, order, scenario, context);
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
    const trouble = { message: error.message, hint: error.hint };
    return withoutRun(job, trouble, verdictWithout(error), passed());
  }
}

/** A scenario that nobody can judge is wrong; what is only busy now may be better next time. */
function verdictWithout({ code }: LabError): "fail" | "inconclusive" | "not-applicable" {
  if (code === "scenario-unfit") return "fail";
  return absent.has(code) ? "not-applicable" : "inconclusive";
}

/** Undefined when the lab does not keep it any more. */
const evidenceOf = (lab: LabAddress, { runId }: RunRecord): Promise<Evidence | undefined> =>
  ask<Evidence>(lab, routes.evidence(runId)).catch(() => undefined);

/**
 * Runs a scenario whose telemetry the app breaks itself, which only a signed ticket can ask for:
 * whoever has this clone's secrets can.
 * @returns `caught` when a check failed, `none` when the run could not be judged.
 * @throws LabError as {@link performRun}.
 */
export async function performTrial(
  { mutant, scenario, judge }: Trial & Judged,
  lab: LabAddress,
  context: Context,
): Promise<"caught" | "missed" | "none"> {
  const { ticketKey } = await loadSecrets(context.dir);
  const breaking = (given: string): string => {
    const verified = verifyTicket(given, ticketKey, Date.now());
    if (!verified.ok) {
      throw new LabError("foreign-lab", "The running lab signs with other secrets.", {
        hint: "Start it and verify with the same LAB_DIR.",
      });
    }
    return signTicket({ ...verified.ticket, mutant }, ticketKey);
  };
  const order = { scenario: scenario.id, selfTest: true, judge, waitMs: longWaitForOthersMs };
  const { verdict } = await performWithTicket(lab, order, scenario, context, breaking);
  switch (verdict) {
    case "fail":
      return "caught";
    case "pass":
      return "missed";
    case "pending":
    case "inconclusive":
    case "not-applicable":
    case "declared":
      return "none";
  }
}
