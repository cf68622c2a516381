import type { Panel, Target } from "./dashboard.ts";

type Curve = Pick<Extract<Target, { language: "promql" }>, "exemplars" | "heatmap" | "instant">;

/** A PromQL query. */
export const promql = (expr: string, legend: string, how: Curve = {}): Target => ({
  ...{ language: "promql", expr, legend },
  ...how,
});

/** The first of several expressions that has anything to show: real program first, stand-in last. All need the same labels. */
export const firstOf = (...expressions: readonly string[]): string => expressions.join(" or ");

/** Per second, over what Grafana finds long enough for the scrape interval. */
export const rate = (series: string): string => `rate(${series}[$__rate_interval])`;

/** How much a counter grew in the window shown. */
export const growth = (series: string): string => `increase(${series}[$__range])`;

/**
 * As {@link rate}, of a counter whose series appears with the first event that it counts. To `rate`
 * the first sample is where counting starts: the first failure, or the only one, would not show.
 */
export const rateFromFirst = (series: string): string =>
  `((${appeared(series, "$__rate_interval")}) * 1000 / $__rate_interval_ms or ${rate(series)})`;

/** As {@link growth}, of a counter whose series appears with the first event that it counts. */
export const growthFromFirst = (series: string): string => {
  const known = growth(series);
  // One that started anew since has grown by more than it shows now.
  return `((${appeared(series, "$__range")}) unless ${known} > ${series} or ${known})`;
};

/** Of the series, those that were not there in the window before this one. A scrape that failed in between makes none new. */
const appeared = (series: string, window: string): string =>
  `${series} unless present_over_time(${series}[${window}] offset ${window})`;

/** @param by labels besides `le`. */
export const quantile = (share: number, series: string, by: readonly string[] = []): string =>
  `histogram_quantile(${share}, sum by (${["le", ...by].join(", ")}) (${rateFromFirst(series)}))`;

/** Gives a label another name, so that series of several programs fit together. @param pattern with one group: what of the value is kept. */
export const renamed = (expr: string, to: string, from: string, pattern = "(.+)"): string =>
  `label_replace(${expr}, "${to}", "$1", "${from}", "${pattern}")`;

type Rest = Omit<Panel, "type" | "targets" | "width"> & { readonly width?: number };

export const curves = (panel: Rest, ...targets: readonly Target[]): Panel => ({
  ...{ type: "timeseries", width: 8, targets },
  ...panel,
});

/** One number. */
export const number = (panel: Rest, ...targets: readonly Target[]): Panel => ({
  ...{ type: "stat", width: 4, targets },
  ...panel,
});
