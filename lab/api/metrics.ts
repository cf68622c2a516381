/** What one metric of the app, or of a service beside it, did while a run lasted. */
export interface MetricSeries {
  readonly service: string;
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram" | "summary" | "unknown";
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch, oldest first: from before the run to after its end. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
  /** Points at a span of this run. */
  readonly exemplar: {
    readonly traceId: string;
    readonly spanId: string | null;
    readonly value: number;
  } | null;
}
/** `GET` {@link routes.runMetrics}: the series that changed, those with an exemplar of the run first. */
export interface RunMetricsBody {
  /** False where the scenario expects nothing of metrics, which are not read then. */
  readonly read: boolean;
  readonly series: readonly MetricSeries[];
}
/** A data point of a metric that came by OTLP. */
export interface MetricPoint {
  /** Ascends in order of arrival. */
  readonly seq: number;
  readonly name: string;
  readonly unit: string;
  readonly kind: "gauge" | "sum" | "histogram" | "exponentialHistogram" | "summary";
  readonly temporality: "delta" | "cumulative" | null;
  readonly service: string;
  readonly labels: Readonly<Record<string, unknown>>;
  readonly timeUnixNano: string;
  /** Of a gauge or a sum; null for the other kinds and for what is no finite number. */
  readonly value: number | null;
  /** The point as OTLP/JSON without its attributes: buckets, quantiles, exemplars. */
  readonly point: unknown;
}
export interface MetricsBody {
  readonly points: readonly MetricPoint[];
}
