import { coveredMs, milliseconds, type Rule, refsOf } from "./insight.ts";

const leastMs = 10;

/** Time spent waiting for a database connection, while the database had nothing to do. */
export const poolWait: Rule = (spans) => {
  const waits = spans.filter(({ span }) => span.name === "db.pool.acquire");
  const waitedMs = coveredMs(waits);
  if (waitedMs < leastMs) return [];
  const longest = Math.max(...waits.map(({ durationMs }) => durationMs));
  return [
    {
      rule: "pool-wait",
      title: `${waits.length} ${waits.length === 1 ? "wait" : "waits"} for a database connection`,
      detail: `The longest took ${milliseconds(longest)}. The statements themselves are not slow: somebody holds the connections. Look for long transactions before making the pool larger.`,
      costMs: waitedMs,
      spans: refsOf(waits),
    },
  ];
};
