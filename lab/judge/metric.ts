import type { Verdict } from "#lab/api/checks.ts";
import {
  changeOf,
  familyOf,
  isCumulative,
  type LabelFilter,
  type MetricReading,
  totalOf,
} from "#lab/sources/metrics.ts";
import type { MetricSample } from "#lab/sources/openmetrics.ts";
import { describeComparison } from "#scenarios/describe.ts";
import type { MetricExpectation } from "#scenarios/expectation.ts";
import type { SeenMetric } from "#scenarios/run-evidence.ts";
import type { Comparison } from "#scenarios/span-selector.ts";
import { labelMeets } from "./compare.ts";
import type { Evidence } from "./evidence.ts";
import { allOf, type Finding, type NearestMiss } from "./finding.ts";
import { metricSourceOf } from "./metric-source.ts";
import { nearestOf, type Predicate, shown, ticksOf } from "./predicate.ts";
import type { Prepared } from "./prepare.ts";
import { decide, decideBoolean } from "./quantity.ts";

interface Part {
  readonly verdict: Verdict;
  readonly seen: string;
}

/** Judges how a metric, summed over the series whose labels match, changed while the run lasted. */
export function judgeMetric(declared: MetricExpectation, prepared: Prepared): Finding {
  const { settled } = prepared.evidence;
  const { metrics } = metricSourceOf(declared, prepared.evidence);
  const { baseline, latest } = metrics ?? { baseline: null, latest: null };
  const expectation = { ...declared, name: exposedName(declared, baseline, latest) };
  const query = { language: "promql", text: queryOf(expectation) } as const;
  if (!baseline || !latest) {
    const seen = baseline ? "no reading after the start" : "no reading from before the run";
    return { verdict: settled ? "inconclusive" : "pending", seen, nearest: null, query };
  }
  const readings = [baseline, ...(metrics?.during ?? []), latest];
  const family = familyOf(latest, expectation.name) ?? familyOf(baseline, expectation.name);
  if (!family) {
    // Without this, a misspelt name would pass every `delta: 0`.
    const seen = `no metric of that name; ${latest.families.length} others are exposed`;
    return { verdict: settled ? "fail" : "pending", seen, nearest: null, query };
  }
  const parts = judgeParts(expectation, readings, prepared);
  const verdict = allOf(parts.map((part) => part.verdict));
  return {
    verdict,
    seen: parts.map((part) => part.seen).join("; ") || "nothing was asked for",
    nearest: verdict === "pass" ? null : nearestSeries(expectation, latest),
    query,
  };
}

/** The first of its names that is exposed; the declared one while none is. */
const exposedName = (
  { name, aliases = [] }: MetricExpectation,
  ...readings: readonly (MetricReading | null)[]
): string =>
  [name, ...aliases].find((one) => readings.some((it) => it && familyOf(it, one) !== undefined)) ??
  name;

type Series = Pick<MetricExpectation, "name" | "labels">;

/** How a metric moved while the run lasted; undefined when nobody exposes it. */
export function metricSeen({ name, labels }: Series, evidence: Evidence): SeenMetric | undefined {
  const { metrics } = metricSourceOf({ name }, evidence);
  if (!metrics?.baseline || !metrics.latest) return undefined;
  const readings = [metrics.baseline, ...metrics.during, metrics.latest];
  if (!readings.some((reading) => familyOf(reading, name))) return undefined;
  const filter = labelFilter(labels);
  const values = readings.map((reading) => totalOf(reading, name, filter) ?? 0);
  return {
    before: values[0] ?? 0,
    after: values.at(-1) ?? 0,
    change: tidy(changeOf(readings, name, filter)),
    highest: Math.max(...values.slice(1)),
    lowest: Math.min(...values.slice(1)),
  };
}

function judgeParts(
  expectation: MetricExpectation,
  readings: readonly MetricReading[],
  prepared: Prepared,
): readonly Part[] {
  const { name, delta, max, returnsTo, exemplar } = expectation;
  const { settled } = prepared.evidence;
  const filter = labelFilter(expectation.labels);
  const values = readings.map((reading) => totalOf(reading, name, filter) ?? 0);
  const [first, last] = [values[0] ?? 0, values.at(-1) ?? 0];
  const parts: Part[] = [];
  if (delta !== undefined) {
    const change = changeOf(readings, name, filter);
    const [reading] = readings;
    const grows = isCumulative(name, reading && familyOf(reading, name));
    const verdict = decide(delta, tidy(change), { settled, grows });
    parts.push({ verdict, seen: `changed by ${tidy(change)}, from ${first} to ${last}` });
  }
  if (max !== undefined) {
    // What was before the run is not the run's peak.
    const peak = Math.max(...values.slice(1));
    const verdict = decide(max, peak, { settled, grows: true });
    parts.push({ verdict, seen: `highest value ${peak} in ${values.length - 1} readings` });
  }
  if (returnsTo !== undefined) {
    const verdict = decideBoolean(tidy(last - first) === 0, { settled, grows: false });
    parts.push({ verdict, seen: `${last} at the end, ${first} before` });
  }
  if (exemplar !== undefined) parts.push(judgeExemplar(expectation, readings.slice(1), prepared));
  return parts;
}

/** Takes off what floating-point sums leave behind, so that 0.1 + 0.2 − 0.3 is 0. */
const tidy = (value: number): number => Number(value.toPrecision(12)) || 0;

function judgeExemplar(
  { name, labels }: MetricExpectation,
  readings: readonly MetricReading[],
  prepared: Prepared,
): Part {
  const filter = labelFilter(labels);
  const traces = readings.flatMap((reading) => {
    const family = familyOf(reading, name)?.name;
    return reading.samples
      .filter((sample) => sample.exemplar && familyOf(reading, sample.name)?.name === family)
      .filter((sample) => filter(sample.labels))
      .map((sample) => sample.exemplar?.labels.trace_id ?? "");
  });
  const ours = new Set(traces.filter((traceId) => prepared.traceIds.has(traceId)));
  const { settled } = prepared.evidence;
  return {
    verdict: decideBoolean(ours.size > 0, { settled, grows: true }),
    seen: `${ours.size} of ${new Set(traces).size} exemplar traces are the run's`,
  };
}

const labelFilter =
  (labels: MetricExpectation["labels"]): LabelFilter =>
  (seen) =>
    Object.entries(labels ?? {}).every(([key, comparison]) =>
      labelMeets(comparison, Object.hasOwn(seen, key) ? seen[key] : undefined),
    );

function nearestSeries(
  { name, labels }: MetricExpectation,
  latest: MetricReading,
): NearestMiss | null {
  const predicates = Object.entries(labels ?? {}).map(
    ([key, comparison]): Predicate<MetricSample> => ({
      name: key,
      expected: describeComparison(comparison),
      weight: 1,
      test: (sample) => labelMeets(comparison, sample.labels[key]),
      seen: (sample) => shown(sample.labels[key]),
    }),
  );
  const candidates = latest.samples.filter((sample) => sample.name === name);
  const nearest = nearestOf(predicates, candidates);
  if (!nearest) return null;
  const written = Object.entries(nearest.labels).map(([key, value]) => `${key}="${value}"`);
  return {
    kind: "metric",
    title: `${name}{${written.join(",")}} ${nearest.value}`,
    traceId: nearest.exemplar?.labels.trace_id ?? null,
    spanId: nearest.exemplar?.labels.span_id ?? null,
    ticks: ticksOf(predicates, nearest),
  };
}

/** PromQL selector (https://prometheus.io/docs/prometheus/latest/querying/basics/); label bounds cannot be said. */
function queryOf({ name, labels }: MetricExpectation): string {
  const matchers = Object.entries(labels ?? {}).flatMap(([key, comparison]) =>
    matchersOf(key, comparison),
  );
  return matchers.length === 0 ? name : `${name}{${matchers.join(",")}}`;
}

function matchersOf(key: string, comparison: Comparison): string[] {
  if (typeof comparison !== "object") return [`${key}=${quoted(String(comparison))}`];
  const { eq, ne, in: options, matches, exists } = comparison;
  const escaped = options?.map((option) => String(option).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
  return [
    eq !== undefined && `${key}=${quoted(String(eq))}`,
    ne !== undefined && `${key}!=${quoted(String(ne))}`,
    escaped && `${key}=~${quoted(escaped.join("|"))}`,
    matches !== undefined && `${key}=~${quoted(`(?s:.*)(?:${matches})(?s:.*)`)}`,
    exists !== undefined && (exists ? `${key}!=""` : `${key}=""`),
  ].filter((part) => typeof part === "string");
}

const quoted = (text: string): string =>
  `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
