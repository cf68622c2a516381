import type { MetricSeries, RunMetricsBody } from "../api/metrics.ts";
import type { SignalId } from "../api/runs.ts";
import type { Evidence, MetricEvidence } from "../judge/evidence.ts";
import { familyOf, type MetricReading } from "../sources/metrics.ts";

/** A scenario that looks at everything would else bring every gauge of the process. */
const most = 60;

/** What the metrics that were read for a run did meanwhile: the series that changed, oldest reading first. */
export function metricChanges(
  evidence: Pick<Evidence, "metrics" | "serviceMetrics" | "traceIds">,
): RunMetricsBody {
  const { metrics, serviceMetrics = [], traceIds } = evidence;
  const watched = [
    ...(metrics === null ? [] : [{ service: "lab-server", ...metrics }]),
    ...serviceMetrics,
  ];
  const series = watched.flatMap((one) => changesOf(one.service, readingsOf(one), traceIds));
  return {
    read: watched.some((one) => one.baseline !== null),
    series: series
      .sort((a, b) => orderOf(a) - orderOf(b) || (a.name < b.name ? -1 : 1))
      .slice(0, most),
  };
}

/** The lights of the signal strip that these changes switch on. */
export const metricLights = ({ series }: RunMetricsBody): ReadonlySet<SignalId> =>
  new Set([
    ...(series.length === 0 ? [] : (["metric"] as const)),
    ...(series.every(({ exemplar }) => exemplar === null) ? [] : (["exemplar"] as const)),
  ]);

const orderOf = ({ exemplar }: MetricSeries): number => Number(exemplar === null);

const readingsOf = ({ baseline, during, latest }: MetricEvidence): readonly MetricReading[] =>
  [baseline, ...during, latest].filter((reading) => reading !== null);

function changesOf(
  service: string,
  readings: readonly MetricReading[],
  traceIds: readonly string[],
): readonly MetricSeries[] {
  const found = new Map<string, MetricSeries & { points: { at: number; value: number }[] }>();
  const exemplars = new Map<string, NonNullable<MetricSeries["exemplar"]>>();
  for (const reading of readings) {
    for (const { name, labels, value, exemplar } of reading.samples) {
      if (exemplar !== undefined && traceIds.includes(exemplar.labels.trace_id ?? "")) {
        exemplars.set(familyKey(name, labels), {
          traceId: exemplar.labels.trace_id ?? "",
          spanId: exemplar.labels.span_id ?? null,
          value: exemplar.value,
        });
      }
      // A histogram is told by how many and how much; its buckets are for quantiles.
      if (/_(?:bucket|created)$/.test(name)) continue;
      const key = `${name} ${labelsKey(labels)}`;
      const known = found.get(key);
      if (known !== undefined) {
        known.points.push({ at: reading.readAt, value });
        continue;
      }
      found.set(key, {
        ...{ service, name, labels, exemplar: null },
        type: familyOf(reading, name)?.type ?? "unknown",
        points: [...sinceNothing(readings, reading, name), { at: reading.readAt, value }],
      });
    }
  }
  return [...found.values()]
    .filter(({ points }) => points.some(({ value }) => value !== points[0]?.value))
    .map((series) => ({
      ...series,
      exemplar: exemplars.get(familyKey(series.name, series.labels)) ?? null,
    }));
}

/** A series that is new counts from 0, at the reading that did not have it yet. */
function sinceNothing(
  readings: readonly MetricReading[],
  first: MetricReading,
  name: string,
): { at: number; value: number }[] {
  const before = readings[readings.indexOf(first) - 1];
  const counts = familyOf(first, name)?.type !== "gauge";
  return before !== undefined && counts ? [{ at: before.readAt, value: 0 }] : [];
}

const familyKey = (name: string, labels: Readonly<Record<string, string>>): string => {
  const { le: _, ...rest } = labels;
  return `${name.replace(/_(?:bucket|count|sum)$/, "")} ${labelsKey(rest)}`;
};

const labelsKey = (labels: Readonly<Record<string, string>>): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
