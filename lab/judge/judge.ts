import type { EvidenceSource, Verdict } from "#lab/api/checks.ts";
import { describeExpectation } from "#scenarios/describe.ts";
import type { Expectation, Quantity } from "#scenarios/expectation.ts";
import { judgeAgree } from "./agree.ts";
import { judgeAnswer } from "./answer.ts";
import { judgeCheck } from "./check.ts";
import { judgeComponent } from "./component.ts";
import type { Evidence, SourceState } from "./evidence.ts";
import type { EvidenceQuery, Finding, NearestMiss } from "./finding.ts";
import { judgeLog } from "./log.ts";
import { judgeMetric } from "./metric.ts";
import { metricSourceOf } from "./metric-source.ts";
import { judgeOrder } from "./order.ts";
import { judgePage } from "./page.ts";
import { resolve } from "./placeholders.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { judgeSecrets } from "./secrets.ts";
import { judgeSentry } from "./sentry.ts";
import { judgeSpan } from "./span.ts";
import { judgeTrace } from "./trace.ts";

export interface JudgedCheck {
  /** Position among the scenario's expectations. */
  readonly index: number;
  readonly signal: Expectation["signal"];
  readonly verdict: Verdict;
  /** What was asked for, with this run's parameters filled in. */
  readonly expected: string;
  /** What the evidence shows; says as much on a pass. */
  readonly seen: string;
  /** Null on a pass, and where nothing at all comes near. */
  readonly nearest: NearestMiss | null;
  readonly query: EvidenceQuery;
  readonly why: string;
  readonly hint: string;
}

/**
 * Judges every expectation that holds in the run's mode, in their order. Pure, and never throws
 * on an expectation that type-checks: what it cannot compare fails.
 */
export function judge(
  expectations: readonly Expectation[],
  evidence: Evidence,
): readonly JudgedCheck[] {
  const prepared = prepare(evidence);
  return expectations.flatMap((expectation, index) =>
    holdsIn(expectation, evidence.mode) ? [judgeOne(expectation, prepared, index)] : [],
  );
}

/** Expectations are about the fault unless they name their modes. */
export const holdsIn = ({ modes = ["fault"] }: Expectation, mode: Evidence["mode"]): boolean =>
  modes.includes(mode);

/** Judges one expectation whatever the run's mode is: a control run has to fail what the fault promises. */
export function judgeOne(expectation: Expectation, prepared: Prepared, index = 0): JudgedCheck {
  const resolved = resolve(expectation, prepared.evidence.params);
  const finding = findingOf(resolved, prepared);
  return {
    index,
    signal: expectation.signal,
    expected: describeExpectation(resolved) || "nothing",
    ...finding,
    query: withAsked(finding.query, askedOf(expectation, prepared.evidence)),
    ...withoutSource(expectation, prepared.evidence),
    why: expectation.why,
    hint: expectation.hint,
  };
}

function findingOf(expectation: Expectation, prepared: Prepared): Finding {
  switch (expectation.signal) {
    case "span":
      return judgeSpan(expectation, prepared);
    case "order":
      return judgeOrder(expectation, prepared);
    case "trace":
      return judgeTrace(expectation, prepared);
    case "metric":
      return judgeMetric(expectation, prepared);
    case "log":
      return judgeLog(expectation, prepared);
    case "sentry":
      return judgeSentry(expectation, prepared);
    case "answer":
      return judgeAnswer(expectation, prepared);
    case "page":
      return judgePage(expectation, prepared);
    case "component":
      return judgeComponent(expectation, prepared);
    case "agree":
      return judgeAgree(expectation, prepared);
    case "secrets":
      return judgeSecrets(expectation, prepared);
    case "check":
      return judgeCheck(expectation, prepared);
  }
}

const withAsked = (query: EvidenceQuery, asked: EvidenceSource | undefined): EvidenceQuery =>
  asked === undefined ? query : { ...query, asked };

/** Whom the query of such an expectation is put to. */
function askedOf(expectation: Expectation, evidence: Evidence): EvidenceSource | undefined {
  switch (expectation.signal) {
    case "span":
    case "order":
    case "trace":
      return evidence.judgedBy?.traces;
    case "log":
      return evidence.judgedBy?.logs;
    case "sentry":
      return evidence.judgedBy?.sentry;
    case "metric":
      return metricSourceOf(expectation, evidence).by;
    case "answer":
    case "page":
    case "component":
    case "agree":
    case "secrets":
    case "check":
      return undefined;
  }
}

type Source = keyof Evidence["sources"];

function sourcesOf(expectation: Expectation): readonly Source[] {
  switch (expectation.signal) {
    case "span":
    case "order":
    case "trace":
      return ["traces"];
    case "metric":
      return ["metrics"];
    case "log":
      return expectation.correlated ? ["logs", "traces"] : ["logs"];
    case "sentry":
      return ["sentry"];
    case "answer":
    case "page":
    case "component":
      return [];
    case "agree":
      return expectation.of.map(sourceOf);
    case "secrets":
      return ["traces", "logs", "sentry"];
    case "check":
      return expectation.reads ?? ["traces"];
  }
}

function sourceOf(counts: Quantity): Source {
  if ("spans" in counts) return "traces";
  if ("metric" in counts) return "metrics";
  return "logs" in counts ? "logs" : "sentry";
}

const withoutVerdict = {
  absent: (source: string) => ({
    verdict: "not-applicable" as const,
    seen: `this lab has no source of ${source}`,
    nearest: null,
  }),
  unreachable: (source: string) => ({
    verdict: "inconclusive" as const,
    seen: `the source of ${source} did not answer`,
    nearest: null,
  }),
} satisfies Partial<Record<SourceState, unknown>>;

/** Overrides the finding where a source that it needs is away: evidence in hand may be a part only. */
function withoutSource(
  expectation: Expectation,
  evidence: Evidence,
): Pick<Finding, "verdict" | "seen" | "nearest"> | undefined {
  const needed = sourcesOf(expectation).map((name) =>
    name === "metrics" && expectation.signal === "metric"
      ? metricSourceOf(expectation, evidence)
      : { title: name, state: evidence.sources[name] },
  );
  for (const state of ["absent", "unreachable"] as const) {
    const source = needed.find((one) => one.state === state);
    if (source) return withoutVerdict[state](source.title);
  }
  return undefined;
}
