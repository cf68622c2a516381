import type { OtlpKeyValue } from "#lab/api/otlp.ts";
import { longestValue } from "./long-values.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { metric as metricMessage, metricsRequest } from "./otlp-schema.ts";
import { type ScanGroups, scanGroups, scanResource } from "./scan-group.ts";
import { TooManyItems } from "./span-scan.ts";

/** Most data points one request may bring. */
export const maxPointsPerRequest = 10_000;

/** What one pass over an `ExportMetricsServiceRequest` found. */
export interface MetricScan {
  readonly groups: ScanGroups;
  readonly metrics: readonly ScannedMetric[];
  /** Data points, all metrics together. */
  readonly points: number;
}

/** A metric, the number of its group, and where its message lies in the request. */
export interface ScannedMetric extends Metric {
  readonly group: number;
  readonly offset: number;
  readonly length: number;
}

export const metricKinds = [
  "gauge",
  "sum",
  "histogram",
  "exponentialHistogram",
  "summary",
] as const;
export type MetricKind = (typeof metricKinds)[number];

/** One metric of a request with its data points as OTLP/JSON. */
export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly kind: MetricKind;
  readonly temporality: "delta" | "cumulative" | null;
  readonly points: readonly DataPoint[];
}

/** Fields that all kinds of data points share; the others depend on the kind. */
export interface DataPoint {
  readonly timeUnixNano?: string;
  readonly attributes?: readonly OtlpKeyValue[];
  readonly exemplars?: readonly { readonly traceId?: string }[];
  readonly asDouble?: number | string;
  readonly asInt?: string;
}

type MetricJson = {
  readonly [kind in MetricKind]?: {
    readonly aggregationTemporality?: number;
    readonly dataPoints?: readonly DataPoint[];
  };
} & { readonly name?: string; readonly unit?: string };

/** Reads one `Metric` message; undefined when it holds no data of a known kind. */
export function readMetric(bytes: Uint8Array): Metric | undefined {
  const json = decodeMessage(bytes, metricMessage) as MetricJson;
  const kind = metricKinds.find((each) => json[each] !== undefined);
  const data = kind === undefined ? undefined : json[kind];
  if (kind === undefined || data === undefined) return undefined;
  const { aggregationTemporality: temporality, dataPoints = [] } = data;
  return {
    name: json.name ?? "",
    unit: json.unit ?? "",
    kind,
    temporality: temporality === 1 ? "delta" : temporality === 2 ? "cumulative" : null,
    points: dataPoints,
  };
}

/** Throws `MalformedProtobuf` or `TooManyItems`. */
export function scanMetrics(bytes: Uint8Array): MetricScan {
  // The scan reads what it needs; what is stored must be whole in all its parts.
  decodeMessage(bytes, metricsRequest);
  const groups = scanGroups();
  const metrics: ScannedMetric[] = [];
  let points = 0;
  scanResource(bytes, groups, (c, group) => {
    const found = readMetric(bytes.subarray(c.pos, c.end));
    if (found === undefined || found.points.length === 0) return;
    points += found.points.length;
    if (c.end - c.pos > longestValue) groups.mayBeLong = true;
    if (points > maxPointsPerRequest)
      throw new TooManyItems(`more than ${maxPointsPerRequest} data points`);
    metrics.push({ ...found, group, offset: c.pos, length: c.end - c.pos });
  });
  return { groups, metrics, points };
}
