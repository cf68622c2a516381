import { quantityWords } from "#scenarios/describe.ts";
import type { AgreeExpectation, Quantity } from "#scenarios/expectation.ts";
import type { Finding } from "./finding.ts";
import { logPredicates } from "./log.ts";
import { metricSeen } from "./metric.ts";
import { meetsAll } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { runEvidenceQuery } from "./run-record-query.ts";
import { selectSpans } from "./selector.ts";
import { sentryPredicates } from "./sentry.ts";

/** Compares the same number as several signals tell it. Judged once the run has settled: till then each may grow. */
export function judgeAgree({ of, within = 0 }: AgreeExpectation, prepared: Prepared): Finding {
  const { settled, runId } = prepared.evidence;
  const query = runEvidenceQuery(runId);
  const values = of.map((one) => numberOf(one, prepared));
  const seen = of.map((one, index) => `${values[index] ?? "no"} ${quantityWords(one)}`).join(", ");
  if (!settled) return { verdict: "pending", seen, nearest: null, query };
  const known = values.filter((value) => value !== undefined);
  const spread = Math.max(...known) - Math.min(...known);
  const agrees = known.length === of.length && spread <= Number(within);
  return { verdict: agrees ? "pass" : "fail", seen, nearest: null, query };
}

/** Undefined for a metric that nobody exposes. */
function numberOf(counts: Quantity, prepared: Prepared): number | undefined {
  if ("spans" in counts) return selectSpans(counts.spans, prepared).length;
  if ("metric" in counts) return metricSeen(counts.metric, prepared.evidence)?.change;
  if ("logs" in counts) {
    const predicates = logPredicates(counts.logs, prepared);
    return prepared.logs.filter((record) => meetsAll(predicates, record)).length;
  }
  const predicates = sentryPredicates(counts.sentry, prepared);
  return prepared.sentry.filter((item) => meetsAll(predicates, item)).length;
}
