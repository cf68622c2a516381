import type { Verdict } from "#lab/api/checks.ts";
import type { AnswerExpectation } from "#scenarios/expectation.ts";
import { meets } from "./compare.ts";
import { allOf, type Finding } from "./finding.ts";
import type { Prepared } from "./prepare.ts";
import { runRecordQuery } from "./run-record-query.ts";

/** Judges what the driver's request was answered. It is said once and does not change. */
export function judgeAnswer(
  { status, durationMs }: AnswerExpectation,
  { evidence }: Prepared,
): Finding {
  const { answer, settled, runId } = evidence;
  const query = runRecordQuery(runId);
  if (!answer) {
    const verdict = settled ? "inconclusive" : "pending";
    return { verdict, seen: "the driver has not told of an answer", nearest: null, query };
  }
  const verdicts: Verdict[] = [];
  if (status !== undefined) verdicts.push(meets(status, answer.status) ? "pass" : "fail");
  if (durationMs !== undefined) {
    verdicts.push(meets(durationMs, answer.durationMs) ? "pass" : "fail");
  }
  const outcome =
    answer.status === 0
      ? `the connection broke${answer.error ? ` (${answer.error})` : ""}`
      : `status ${answer.status}`;
  return {
    verdict: allOf(verdicts),
    seen: `${outcome} after ${Math.round(answer.durationMs)} ms`,
    nearest: null,
    query,
  };
}
