import { attributeOf } from "#lab/judge/attribute-value.ts";
import type { PreparedSpan } from "#lab/judge/span-tree.ts";
import { coveredMs, milliseconds, type Rule, refsOf } from "./insight.ts";

const fewest = 5;

/** The same statement over and over, one after another, below one span: a query per item of a list. */
export const nPlusOne: Rule = (spans) =>
  spans.flatMap((parent) =>
    [...Map.groupBy(parent.children.filter(isQuery), statementOf).values()]
      .filter((queries) => queries.length >= fewest && followEachOther(queries))
      .map((queries) => {
        const spentMs = coveredMs(queries);
        const [{ span }] = queries as [PreparedSpan];
        return {
          rule: "n-plus-one" as const,
          title: `${queries.length} times ${span.name}, one after another`,
          detail: `Each is quick; together they take ${milliseconds(spentMs)} of the ${milliseconds(parent.durationMs)} of ${parent.span.name}. One statement for all of them, a join or "= any(…)", saves the way to the database ${queries.length - 1} times.`,
          costMs: spentMs,
          spans: refsOf(queries),
        };
      }),
  );

const isQuery = ({ kind, span }: PreparedSpan): boolean =>
  kind === "client" && attributeOf(span.attributes, "db.system.name") !== undefined;

const statementOf = ({ span }: PreparedSpan): string =>
  `${span.name}\n${attributeOf(span.attributes, "db.query.text") ?? ""}`;

/**
 * Side by side, many calls take about as long as one. How far neighbours seem to overlap says little:
 * a start is stamped with the wall clock in whole milliseconds, an end is measured from there.
 */
function followEachOther(spans: readonly PreparedSpan[]): boolean {
  const fromNs = Math.min(...spans.map(({ startNs }) => startNs));
  const toNs = Math.max(...spans.map(({ endNs }) => endNs));
  const total = spans.reduce((sum, { durationMs }) => sum + durationMs, 0);
  return (toNs - fromNs) / 1e6 >= 0.7 * total;
}
