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

/** @param by labels besides `le`. */
export const quantile = (share: number, series: string, by: readonly string[] = []): string =>
  `histogram_quantile(${share}, sum by (${["le", ...by].join(", ")}) (${rate(series)}))`;

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
