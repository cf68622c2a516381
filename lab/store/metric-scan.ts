import { decodeMessage } from "./otlp-decode.ts";
import { metricsRequest } from "./otlp-schema.ts";

/** Data points of an `ExportMetricsServiceRequest`. Throws `MalformedProtobuf`. */
export function countMetricPoints(bytes: Uint8Array): number {
  const request = decodeMessage(bytes, metricsRequest) as MetricsJson;
  let points = 0;
  for (const { scopeMetrics = [] } of request.resourceMetrics ?? [])
    for (const { metrics = [] } of scopeMetrics)
      for (const { gauge, sum, histogram, exponentialHistogram, summary } of metrics)
        points +=
          (gauge ?? sum ?? histogram ?? exponentialHistogram ?? summary)?.dataPoints?.length ?? 0;
  return points;
}

interface MetricsJson {
  readonly resourceMetrics?: readonly {
    readonly scopeMetrics?: readonly { readonly metrics?: readonly MetricJson[] }[];
  }[];
}
interface Points {
  readonly dataPoints?: readonly unknown[];
}
interface MetricJson {
  readonly gauge?: Points;
  readonly sum?: Points;
  readonly histogram?: Points;
  readonly exponentialHistogram?: Points;
  readonly summary?: Points;
}
