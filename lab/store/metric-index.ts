import type { OtlpKeyValue } from "#lab/api/otlp.ts";
import { attribute } from "#scenarios/names.ts";
import type { LoadArrays, SaveArrays } from "./checkpoint.ts";
import { type ChunkedTable, chunkedTable, rowMask } from "./chunked-table.ts";
import { addGroups, type GroupTable, groupTable } from "./group-table.ts";
import { plainAttributes } from "./log-read.ts";
import type { MetricKind, MetricScan } from "./metric-scan.ts";
import { decodeMessage } from "./otlp-decode.ts";
import { resource as resourceMessage } from "./otlp-schema.ts";
import type { RecordPlace } from "./segment-format.ts";

type Labels = Readonly<Record<string, unknown>>;

/** What the data points of one time series share. */
export interface MetricSeries {
  readonly name: string;
  readonly unit: string;
  readonly kind: MetricKind;
  readonly temporality: "delta" | "cumulative" | null;
  readonly service: string;
  /** Attributes of the data points. */
  readonly labels: Labels;
  /** Attributes of who sent them. */
  readonly resource: Labels;
}

/** One row per data point, about 30 bytes; the point itself stays on disk. */
export interface PointColumns {
  readonly series: Uint32Array;
  /** Nanoseconds since the epoch, low and high word. */
  readonly time: Uint32Array;
  readonly group: Uint32Array;
  /** Where the point's metric lies in the group's segment. */
  readonly offset: Uint32Array;
  readonly length: Uint32Array;
  /** Which of the metric's points it is. */
  readonly place: Uint32Array;
  /** 1 when it has an exemplar that names a trace. */
  readonly traced: Uint8Array;
}

export interface MetricIndex {
  readonly points: ChunkedTable<PointColumns>;
  readonly groups: GroupTable;
  /** Series of a point; undefined for one that was too many to keep. */
  readonly series: (number: number) => MetricSeries | undefined;
  /** Points in the index. */
  readonly count: () => number;
  /** Takes over what a scan found in `bytes`, which lie at `place` now; returns how many points were too many series. */
  readonly add: (bytes: Uint8Array, scan: MetricScan, place: RecordPlace) => number;
  /** Forgets the points of the segments before this one, and the series that had no others. */
  readonly forgetBefore: (segment: number) => void;
  readonly save: SaveArrays;
  /** Into an empty index. */
  readonly load: LoadArrays;
}

const maxSeries = 20_000;

/** Run that a series names in its labels or its resource. */
export const runOfSeries = ({ labels, resource }: MetricSeries): unknown =>
  labels[attribute.runId] ?? resource[attribute.runId];

/** An empty index of metric points by series. */
export function metricIndex(): MetricIndex {
  const points = chunkedTable<PointColumns>((size) => ({
    series: new Uint32Array(size),
    time: new Uint32Array(size * 2),
    group: new Uint32Array(size),
    offset: new Uint32Array(size),
    length: new Uint32Array(size),
    place: new Uint32Array(size),
    traced: new Uint8Array(size),
  }));
  const groups = groupTable();
  const numbers = new Map<string, number>();
  /** By number, from 1. */
  let known: ({ readonly series: MetricSeries; points: number } | undefined)[] = [undefined];
  let free: number[] = [];

  function numberOf(series: MetricSeries): number {
    const key = keyOf(series);
    const number = numbers.get(key);
    if (number !== undefined) return number;
    if (numbers.size >= maxSeries) return 0;
    const fresh = free.pop() ?? known.length;
    known[fresh] = { series, points: 0 };
    numbers.set(key, fresh);
    return fresh;
  }

  function add(bytes: Uint8Array, scan: MetricScan, place: RecordPlace): number {
    const resources = new Map<number, Labels>();
    const resourceOf = (group: number): Labels => {
      const before = resources.get(group);
      if (before !== undefined) return before;
      const start = scan.groups.resourceOffset[group] as number;
      const end = start + (scan.groups.resourceLength[group] as number);
      const labels = attributesOf(decodeMessage(bytes.subarray(start, end), resourceMessage));
      resources.set(group, labels);
      return labels;
    };
    let tooMany = 0;
    const firstGroup = addGroups(groups, scan.groups, place, points.last() + 1, () => 0);
    for (const metric of scan.metrics) {
      const { name, unit, kind, temporality } = metric;
      const resource = resourceOf(metric.group);
      const service = String(resource["service.name"] ?? "");
      for (const [at, point] of metric.points.entries()) {
        const labels = attributesOf(point);
        const series = numberOf({ name, unit, kind, temporality, service, labels, resource });
        const owner = known[series];
        if (owner === undefined) {
          tooMany++;
          continue;
        }
        owner.points++;
        const row = points.push();
        const columns = points.columnsOf(row);
        const to = row & rowMask;
        const time =
          BigInt(point.timeUnixNano ?? 0) || BigInt(Math.round(place.receivedAt)) * 1_000_000n;
        columns.series[to] = series;
        columns.time[to * 2] = Number(time & 0xffff_ffffn);
        columns.time[to * 2 + 1] = Number(time >> 32n);
        columns.group[to] = firstGroup + metric.group;
        columns.offset[to] = place.offset + metric.offset;
        columns.length[to] = metric.length;
        columns.place[to] = at;
        columns.traced[to] = point.exemplars?.some(({ traceId }) => traceId) ? 1 : 0;
      }
    }
    return tooMany;
  }

  function forgetBefore(segment: number): void {
    let row = points.first();
    let group = groups.first();
    for (; row <= points.last(); row++) {
      const columns = points.columnsOf(row);
      const of = columns.group[row & rowMask] as number;
      if ((groups.columnsOf(of).segment[of & rowMask] as number) >= segment) break;
      release(columns.series[row & rowMask] as number);
    }
    const isOlder = (each: number): boolean =>
      (groups.columnsOf(each).segment[each & rowMask] as number) < segment;
    while (group <= groups.last() && isOlder(group)) group++;
    points.dropBelow(row);
    groups.dropBelow(group);
  }

  function release(number: number): void {
    const owner = known[number];
    if (owner === undefined || --owner.points > 0) return;
    numbers.delete(keyOf(owner.series));
    known[number] = undefined;
    free.push(number);
  }

  return {
    points,
    groups,
    series: (number) => known[number]?.series,
    count: () => points.last() - points.first() + 1,
    add,
    forgetBefore,
    save: (put) => ({ points: points.save(put), groups: groups.save(put), known, free }),
    load: (json, fill) => {
      const saved = json as {
        readonly points: unknown;
        readonly groups: unknown;
        readonly known: typeof known;
        readonly free: number[];
      };
      points.load(saved.points, fill);
      groups.load(saved.groups, fill);
      // JSON knows no `undefined`.
      known = saved.known.map((each) => each ?? undefined);
      free = saved.free;
      for (const [number, each] of known.entries())
        if (each !== undefined) numbers.set(keyOf(each.series), number);
    },
  };
}

const attributesOf = (message: { readonly attributes?: unknown }): Labels =>
  plainAttributes(message.attributes as readonly OtlpKeyValue[] | undefined);

const sorted = (labels: Labels): readonly (readonly [string, unknown])[] =>
  Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));

const keyOf = ({ labels, resource, ...rest }: MetricSeries): string =>
  JSON.stringify([
    rest.name,
    rest.unit,
    rest.kind,
    rest.temporality,
    sorted(labels),
    sorted(resource),
  ]);
