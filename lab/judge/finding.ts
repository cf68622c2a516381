import type { Verdict } from "#lab/api.ts";

/** One predicate held against one span, log record, Sentry item or series. */
export interface Tick {
  /** Field it looks at, e.g. `name` or `attributes.db.query.text`. */
  readonly predicate: string;
  readonly expected: string;
  readonly seen: string;
  readonly ok: boolean;
}

/** What came closest to what was expected, or stands in its way. */
export interface NearestMiss {
  readonly kind: "span" | "log" | "sentry" | "metric";
  readonly title: string;
  /** For a link; null where the thing belongs to no trace. */
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly ticks: readonly Tick[];
}

/** Shows what the check looked at, when it is put to the backend by hand. */
export interface EvidenceQuery {
  readonly language: "traceql" | "promql" | "http";
  readonly text: string;
}

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
