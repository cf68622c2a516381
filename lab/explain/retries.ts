import { attributeOf } from "#lab/judge/attribute-value.ts";
import type { PreparedSpan } from "#lab/judge/span-tree.ts";
import { coveredMs, milliseconds, type Rule, refsOf } from "./insight.ts";

const fewest = 3;

/** The same call failing again and again: retries, maybe of retries. */
export const retryStorm: Rule = (spans) =>
  [...Map.groupBy(spans.filter(isFailedTry), (it) => `${it.service}\n${it.span.name}`).values()]
    .filter((tries) => tries.length >= fewest)
    .map((tries) => {
      const spentMs = coveredMs(tries);
      const [{ span }] = tries as [PreparedSpan];
      return {
        rule: "retry-storm" as const,
        title: `${span.name} failed ${tries.length} times`,
        detail: `${milliseconds(spentMs)} went into tries that failed. Retries on several layers multiply; a budget or a circuit breaker keeps a sick dependency from being asked more the sicker it gets.`,
        costMs: spentMs,
        spans: refsOf(tries),
      };
    });

/** A call that leaves the process, or a step that says which try it is. */
const isFailedTry = ({ kind, status, span }: PreparedSpan): boolean =>
  status === "error" &&
  (kind === "client" || attributeOf(span.attributes, "lab.retry.attempt") !== undefined);
