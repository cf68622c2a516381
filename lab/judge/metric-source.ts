import type { EvidenceSource } from "#lab/api/checks.ts";
import type { MetricExpectation } from "#scenarios/expectation.ts";
import type { Evidence, MetricEvidence, SourceState } from "./evidence.ts";

/** The readings that an expectation is judged by, and whether who makes them answers. */
export interface MetricSource {
  readonly state: SourceState;
  readonly metrics: MetricEvidence | null;
  /** In words, e.g. `metrics` or `metrics of minio`. */
  readonly title: string;
  readonly by: EvidenceSource | undefined;
}

/** That of the service whose prefix begins the metric's name or one of its aliases, else the app's. */
export function metricSourceOf(
  { name, aliases = [] }: Pick<MetricExpectation, "name" | "aliases">,
  { metrics, serviceMetrics = [], sources, judgedBy }: Evidence,
): MetricSource {
  const own = [name, ...aliases]
    .map((one) => serviceMetrics.find(({ prefixes }) => prefixes.some((it) => one.startsWith(it))))
    .find((it) => it !== undefined);
  if (own === undefined) {
    return { state: sources.metrics, metrics, title: "metrics", by: judgedBy?.metrics };
  }
  return { state: own.state, metrics: own, title: `metrics of ${own.service}`, by: own.by };
}
