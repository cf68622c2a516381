import type { QuerySpan } from "./query-span.ts";
import type { Relation, SpansetOperator } from "./syntax.ts";

/** Each span once. */
export const union = (spans: readonly QuerySpan[]): readonly QuerySpan[] => [...new Set(spans)];

/** What an operator between spansets makes of what stands left and right of it. */
export function combine(
  operator: SpansetOperator,
  left: readonly QuerySpan[],
  right: readonly QuerySpan[],
): readonly QuerySpan[] {
  if (operator === "||") return union([...left, ...right]);
  if (operator === "&&")
    return left.length === 0 || right.length === 0 ? [] : union([...left, ...right]);
  const sign = operator[0];
  const isPlain = sign !== "!" && sign !== "&";
  const relation = (isPlain ? operator : operator.slice(1)) as Relation;
  const related = relatedTo(relation, new Set(left));
  // Like Tempo: nothing is left out of a relation with nothing.
  if (sign === "!") return left.length === 0 ? [] : right.filter((span) => !related(span));
  const found = right.filter(related);
  if (isPlain || found.length === 0) return found;
  // The union forms keep both ends of the relation.
  return union([...left.filter(relatedTo(inverse[relation], new Set(found))), ...found]);
}

const inverse: Readonly<Record<Relation, Relation>> = {
  ">": "<",
  ">>": "<<",
  "<": ">",
  "<<": ">>",
  "~": "~",
};

/** Whether a span stands right of the relation with any span of the set on its left. */
function relatedTo(relation: Relation, left: ReadonlySet<QuerySpan>): (span: QuerySpan) => boolean {
  switch (relation) {
    case ">":
      return ({ parent }) => parent !== undefined && left.has(parent);
    case ">>":
      return descendsFrom(left);
    case "<":
      return ({ children }) => children.some((child) => left.has(child));
    case "<<": {
      // Walk up from the left once instead of down from each span.
      const ancestors = new Set<QuerySpan>();
      for (const span of left)
        for (let up = span.parent; up !== undefined && !ancestors.has(up); up = up.parent)
          ancestors.add(up);
      return (span) => ancestors.has(span);
    }
    case "~": {
      const parents = new Map<QuerySpan | "root", number>();
      for (const span of left) {
        const parent = parentOf(span);
        if (parent !== undefined) parents.set(parent, (parents.get(parent) ?? 0) + 1);
      }
      return (span) => {
        const parent = parentOf(span);
        const count = parent === undefined ? 0 : (parents.get(parent) ?? 0);
        return count > (left.has(span) ? 1 : 0);
      };
    }
  }
}

/** Roots are each other's siblings; what hangs on no root has none. */
const parentOf = (span: QuerySpan): QuerySpan | "root" | undefined =>
  span.parent ?? (span.intrinsic("nestedSetParent")[0] === -1 ? "root" : undefined);

/** Remembers the answer along each path, so that a deep trace is walked once. */
function descendsFrom(left: ReadonlySet<QuerySpan>): (span: QuerySpan) => boolean {
  const known = new Map<QuerySpan, boolean>();
  return (span) => {
    const path: QuerySpan[] = [];
    let answer = false;
    const seen = new Set<QuerySpan>();
    for (let at: QuerySpan | undefined = span; at !== undefined && !seen.has(at); at = at.parent) {
      const before = known.get(at);
      if (before !== undefined) {
        answer = before;
        break;
      }
      seen.add(at);
      path.push(at);
      if (at.parent !== undefined && left.has(at.parent)) {
        answer = true;
        break;
      }
    }
    for (const each of path) known.set(each, answer);
    return answer;
  };
}
