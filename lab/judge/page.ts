import type { PageExpectation } from "#scenarios/expectation.ts";
import { meets } from "./compare.ts";
import type { Finding } from "./finding.ts";
import { shown } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { runRecordQuery } from "./run-record-query.ts";

/** Judges one observation of the stage. A stage may correct itself until the run has settled. */
export function judgePage(
  { observation, value }: PageExpectation,
  { evidence }: Prepared,
): Finding {
  const { page, settled, runId } = evidence;
  const seen = Object.hasOwn(page, observation) ? page[observation] : undefined;
  const reported = Object.keys(page).sort().join(", ");
  return {
    verdict: settled ? (meets(value, seen) ? "pass" : "fail") : "pending",
    seen:
      seen === undefined
        ? `the page did not report it, only: ${reported || "nothing"}`
        : `${observation} = ${shown(seen)}`,
    nearest: null,
    query: runRecordQuery(runId),
  };
}
