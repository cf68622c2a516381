import { attributeOf } from "#lab/judge/attribute-value.ts";
import type { PreparedSpan } from "#lab/judge/span-tree.ts";
import { coveredMs, type Rule, refsOf } from "./insight.ts";

const fewest = 5;

/** A cache that mostly is not one: half of the reads or more had to be loaded. */
export const cacheMisses: Rule = (spans) => {
  const reads = spans.filter((span) => outcomeOf(span) !== undefined);
  const loaded = reads.filter((span) => ["miss", "error"].includes(outcomeOf(span) ?? ""));
  if (reads.length < fewest || loaded.length * 2 < reads.length) return [];
  return [
    {
      rule: "cache-misses",
      title: `${loaded.length} of ${reads.length} cache reads had to load`,
      detail:
        "Every miss costs the way to the cache and the way to the database. Look at the time to live, at keys that are never read twice, and at readers that all miss at the same moment.",
      costMs: coveredMs(loaded),
      spans: refsOf(loaded),
    },
  ];
};

const outcomeOf = ({ span }: PreparedSpan): string | undefined => {
  const outcome = attributeOf(span.attributes, "lab.cache.outcome");
  return typeof outcome === "string" ? outcome : undefined;
};
