import type { Verdict } from "#lab/api/checks.ts";
import { describeComparison } from "#scenarios/describe.ts";
import type { TraceExpectation } from "#scenarios/expectation.ts";
import { allOf, type Finding, type NearestMiss } from "./finding.ts";
import type { Prepared } from "./prepare.ts";
import { decide, decideBoolean } from "./quantity.ts";
import { missedSpan } from "./selector.ts";
import type { PreparedSpan } from "./span-tree.ts";
import { runQuery } from "./traceql.ts";

/** Judges the shape of the run's traces as a whole. */
export function judgeTrace(expectation: TraceExpectation, prepared: Prepared): Finding {
  const { traces, roots, orphans, services } = expectation;
  const { settled, runId } = prepared.evidence;
  const { spans } = prepared;
  const growing = { settled, grows: true };
  const verdicts: Verdict[] = [];
  const seen: string[] = [];
  const inTheWay: (NearestMiss | null)[] = [];

  if (traces !== undefined) {
    const ids = new Set(spans.map((span) => span.traceId));
    const verdict = decide(traces, ids.size, growing);
    verdicts.push(verdict);
    seen.push(count(ids.size, "trace"));
    if (verdict !== "pass") {
      const firsts = [...ids].map((id) => spans.find((span) => span.traceId === id));
      inTheWay.push(missed("traces", describeComparison(traces), firsts.at(-1)));
    }
  }
  if (roots !== undefined) {
    const found = spans.filter((span) => span.isRoot);
    const verdict = decide(roots, found.length, growing);
    verdicts.push(verdict);
    seen.push(`${count(found.length, "root span")}${names(found)}`);
    if (verdict !== "pass") {
      inTheWay.push(missed("roots", describeComparison(roots), found.at(-1)));
    }
  }
  if (orphans !== undefined) {
    const found = spans.filter((span) => !span.isRoot && span.parent === null);
    // A parent ends after its child and so arrives later: orphans may come and go.
    const verdict = decide(orphans, found.length, { settled, grows: false });
    verdicts.push(verdict);
    seen.push(`${count(found.length, "orphan span")}${names(found)}`);
    if (verdict !== "pass") {
      inTheWay.push(missed("orphans", describeComparison(orphans), found[0]));
    }
  }
  if (services !== undefined) {
    const present = new Set(spans.map((span) => span.service));
    const lacking = services.filter((service) => !present.has(service));
    verdicts.push(decideBoolean(lacking.length === 0, growing));
    seen.push(
      lacking.length === 0
        ? `spans of ${services.join(", ")}`
        : `no span of ${lacking.join(", ")}, only of ${[...present].sort().join(", ") || "nobody"}`,
    );
  }
  return {
    verdict: allOf(verdicts),
    seen: seen.join("; ") || "nothing was asked for",
    nearest: inTheWay.find((miss) => miss !== null) ?? null,
    query: { language: "traceql", text: runQuery(runId) },
  };
}

const count = (many: number, noun: string): string => `${many} ${noun}${many === 1 ? "" : "s"}`;

const names = (spans: readonly PreparedSpan[]): string =>
  spans.length === 0
    ? ""
    : `: ${spans
        .slice(0, 3)
        .map(({ span }) => span.name)
        .join(", ")}${spans.length > 3 ? ", …" : ""}`;

function missed(
  predicate: string,
  expected: string,
  span: PreparedSpan | undefined,
): NearestMiss | null {
  if (!span) return null;
  const seen = span.isRoot
    ? "a root"
    : span.parent
      ? `child of ${span.parent.span.name}`
      : `its parent ${span.span.parentSpanId} is not here`;
  return { ...missedSpan(span, []), ticks: [{ predicate, expected, seen, ok: false }] };
}
