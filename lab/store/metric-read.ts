import type { MetricPoint } from "#lab/api/metrics.ts";
import { rowMask } from "./chunked-table.ts";
import { sequence } from "./group-table.ts";
import { type MetricSeries, runOfSeries } from "./metric-index.ts";
import { type DataPoint, type Metric, readMetric } from "./metric-scan.ts";
import type { StoreIndex } from "./store.ts";
import { storedBytes } from "./stored-bytes.ts";

export interface MetricQuery {
  readonly name?: string | undefined;
  /** Value as text that the point's label, or else its sender's attribute, must have. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** Milliseconds since the epoch, both included. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Points that name the run, or have an exemplar of one of its traces. */
  readonly run?: string | undefined;
  readonly limit: number;
}

/** The newest `limit` points that match, oldest first. */
export function findMetrics(index: StoreIndex, query: MetricQuery): readonly MetricPoint[] {
  const { points } = index.metrics;
  const metricAt = metricReader(index);
  const fits = seriesFilter(query);
  const run = query.run === undefined ? undefined : index.runs.find(query.run);
  const traces = run === undefined ? undefined : index.runs.traces(run);
  const found: MetricPoint[] = [];
  for (let row = points.last(); row >= points.first(); row--) {
    if (found.length >= query.limit) break;
    const columns = points.columnsOf(row);
    const at = row & rowMask;
    const number = columns.series[at] as number;
    const series = index.metrics.series(number);
    if (series === undefined || !fits(number, series)) continue;
    const high = columns.time[at * 2 + 1] as number;
    const low = columns.time[at * 2] as number;
    const ms = (high * 0x1_0000_0000 + low) / 1e6;
    if (ms < (query.from ?? -Infinity) || ms > (query.to ?? Infinity)) continue;
    const ofRun = query.run === undefined || runOfSeries(series) === query.run;
    if (!ofRun && columns.traced[at] === 0) continue;
    const point = metricAt(row)?.points[columns.place[at] as number];
    if (point === undefined) throw new Error("a metric has fewer points than its index says");
    const isTraced = (): boolean =>
      point.exemplars?.some(({ traceId }) => traces?.has(traceNumber(index, traceId))) === true;
    if (!ofRun && !isTraced()) continue;
    const time = (BigInt(high) << 32n) | BigInt(low);
    found.push(answerOf(index, row, series, point, time.toString()));
  }
  return found.reverse();
}

/** Says yes or no once per series. */
function seriesFilter({
  name,
  labels,
}: MetricQuery): (number: number, series: MetricSeries) => boolean {
  const known = new Map<number, boolean>();
  return (number, series) => {
    const before = known.get(number);
    if (before !== undefined) return before;
    const fits =
      (name === undefined || series.name === name) &&
      labels.every(([key, value]) => text(series.labels[key] ?? series.resource[key]) === value);
    known.set(number, fits);
    return fits;
  };
}

const text = (value: unknown): string | undefined =>
  value === undefined ? undefined : typeof value === "string" ? value : JSON.stringify(value);

const traceNumber = (index: StoreIndex, traceId = ""): number =>
  /^[0-9a-f]{32}$/.test(traceId) ? index.traces.findHex(traceId) : 0;

/** Points of one metric lie next to each other: it is decoded once for all of them. */
function metricReader(index: StoreIndex): (row: number) => Metric | undefined {
  const { points, groups } = index.metrics;
  const read = storedBytes(index.log);
  let last = { segment: 0, offset: 0, metric: undefined as Metric | undefined };
  return (row) => {
    const columns = points.columnsOf(row);
    const at = row & rowMask;
    const group = columns.group[at] as number;
    const segment = groups.columnsOf(group).segment[group & rowMask] as number;
    const offset = columns.offset[at] as number;
    if (last.segment !== segment || last.offset !== offset) {
      const metric = readMetric(read(segment, offset, columns.length[at] as number));
      last = { segment, offset, metric };
    }
    return last.metric;
  };
}

function answerOf(
  index: StoreIndex,
  row: number,
  { name, unit, kind, temporality, service, labels }: MetricSeries,
  { attributes: _, ...point }: DataPoint,
  timeUnixNano: string,
): MetricPoint {
  const { points, groups } = index.metrics;
  const group = points.columnsOf(row).group[row & rowMask] as number;
  const { ordinal, firstRow } = groups.columnsOf(group);
  const first = firstRow[group & rowMask] as number;
  const value = point.asDouble ?? point.asInt;
  return {
    seq: sequence(ordinal[group & rowMask] as number, row - first),
    name,
    unit,
    kind,
    temporality,
    service,
    labels,
    timeUnixNano,
    // NaN and the infinities are text in OTLP/JSON, and no JSON numbers here either.
    value: value === undefined || !Number.isFinite(Number(value)) ? null : Number(value),
    point,
  };
}
