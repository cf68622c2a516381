import type { Insight } from "#lab/api/insights.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { prepare } from "#lab/judge/prepare.ts";
import { cacheMisses } from "./cache-misses.ts";
import { gaps } from "./gaps.ts";
import type { Rule } from "./insight.ts";
import { nPlusOne } from "./n-plus-one.ts";
import { poolWait } from "./pool-wait.ts";
import { retryStorm } from "./retries.ts";
import { sequentialWork } from "./sequential.ts";

const rules: readonly Rule[] = [nPlusOne, poolWait, retryStorm, sequentialWork, cacheMisses, gaps];

/** What a run's spans tell somebody who knows the patterns, the most expensive first. Pure. */
export function explain(evidence: Evidence): readonly Insight[] {
  const { spans } = prepare(evidence);
  return rules
    .flatMap((rule) => rule(spans))
    .sort((a, b) => b.costMs - a.costMs || (a.title < b.title ? -1 : 1));
}
