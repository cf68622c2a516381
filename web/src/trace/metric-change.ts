import type { MetricSeries } from "#lab/api/metrics.ts";
import { formatDuration } from "../lib/format.ts";

type Told = Pick<MetricSeries, "name" | "type" | "points">;

/** What a series did, in words: counters by how much they grew, gauges from where to where. */
export function changeText({ name, type, points }: Told): string {
  const first = points[0]?.value ?? 0;
  const last = points.at(-1)?.value ?? 0;
  if (type === "gauge" || last < first) {
    const peak = points.reduce((most, { value }) => Math.max(most, value), first);
    const way = peak > Math.max(first, last) ? [first, peak, last] : [first, last];
    return way.map((value) => valueText(name, value)).join(" → ");
  }
  return `+${valueText(name, last - first)}`;
}

/** A value with the unit that its name ends in (https://prometheus.io/docs/practices/naming/#base-units). */
export function valueText(name: string, value: number): string {
  const base = name.replace(/_(?:total|sum)$/, "");
  if (base.endsWith("_seconds")) return formatDuration(value * 1000);
  if (base.endsWith("_bytes")) return `${plain(value / 2 ** 20)} MiB`;
  return plain(value);
}

const plain = (value: number): string =>
  Number.isInteger(value) ? value.toLocaleString("en-US") : String(Number(value.toPrecision(3)));

/** Where each reading lies in a box of 1 × 1, y downwards. */
export function placesOf(
  points: Told["points"],
  from: number,
  to: number,
): readonly { readonly x: number; readonly y: number }[] {
  const values = points.map(({ value }) => value);
  const least = Math.min(...values);
  const range = Math.max(...values) - least || 1;
  return points.map(({ at, value }) => ({
    x: (at - from) / Math.max(1, to - from),
    y: 1 - (value - least) / range,
  }));
}
