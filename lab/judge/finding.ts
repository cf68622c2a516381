import type { EvidenceQuery, NearestMiss, Tick, Verdict } from "#lab/api/checks.ts";

export type { EvidenceQuery, NearestMiss, Tick };

/** What the judge of one signal found out. */
export interface Finding {
  readonly verdict: Verdict;
  readonly seen: string;
  readonly nearest: NearestMiss | null;
  readonly query: EvidenceQuery;
}

/** From best to worst; what is still pending may get better, what failed may not. */
const order: readonly Verdict[] = ["pass", "not-applicable", "inconclusive", "pending", "fail"];

/** A run is as good as its worst check. Without any check nothing was shown: `not-applicable`. */
export function worst(verdicts: readonly Verdict[]): Verdict {
  return verdicts.reduce<Verdict>(
    (soFar, verdict) => (order.indexOf(verdict) > order.indexOf(soFar) ? verdict : soFar),
    verdicts.length === 0 ? "not-applicable" : "pass",
  );
}

/**
 * Verdict of an expectation that has several parts. One without any part asks for nothing: it
 * fails, as everything does that could not have failed otherwise.
 */
export const allOf = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.length === 0 ? "fail" : worst(verdicts);
