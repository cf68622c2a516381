import { metric } from "#scenarios/names.ts";
import { type DashboardUid, type DataSource, dashboardTitle, dataSource } from "./uids.ts";

/** Units by Grafana's ids (https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/#unit). */
export const units = [
  "none",
  "short",
  "percentunit",
  "s",
  "bytes",
  "Bps",
  "reqps",
  "ops",
  "cps",
  "bool_yes_no",
] as const;
export type Unit = (typeof units)[number];

/** One query of a panel. */
export type Target =
  | {
      readonly language: "promql";
      readonly expr: string;
      /** Name of a series, with its labels as `{{label}}`. */
      readonly legend: string;
      readonly exemplars?: boolean;
      readonly heatmap?: boolean;
      /** Asks for the newest value instead of a curve. */
      readonly instant?: boolean;
    }
  | { readonly language: "logql"; readonly expr: string }
  | { readonly language: "traceql"; readonly expr: string }
  /** Drawn by Grafana from the metrics of the service graph. */
  | { readonly language: "service map" };

export interface Panel {
  /** Stays when panels are added or moved: links name it. */
  readonly id: number;
  readonly title: string;
  readonly description: string;
  readonly type: "timeseries" | "stat" | "heatmap" | "table" | "logs" | "nodeGraph";
  readonly unit: Unit;
  /** Of the 24 columns of a dashboard. */
  readonly width: number;
  readonly targets: readonly Target[];
  /** From where on a value is worth a look, and from where on it is bad. */
  readonly thresholds?: { readonly warn: number; readonly bad: number; readonly below?: boolean };
  readonly stacked?: boolean;
  readonly max?: number;
}

/** A choice above the panels: the values of a label. */
export interface Variable {
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly query: string;
  /** Keeps what matches of the label's values, its first group where it has one. */
  readonly regex?: string;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

export interface Dashboard {
  readonly uid: DashboardUid;
  readonly description: string;
  readonly variables: readonly Variable[];
  readonly rows: readonly Row[];
}

const columns = 24;
const height = { stat: 4, other: 8 } as const;
/** Ids of rows lie above those of panels. */
const rowIds = 1000;

/**
 * A dashboard in Grafana's classic JSON model
 * (https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/),
 * which every version since 10 reads.
 */
export function dashboardJson(dashboard: Dashboard): object {
  return {
    uid: dashboard.uid,
    title: dashboardTitle[dashboard.uid],
    description: dashboard.description,
    tags: ["lab"],
    schemaVersion: 41,
    version: 1,
    id: null,
    editable: true,
    graphTooltip: 1,
    timezone: "browser",
    refresh: "5s",
    time: { from: "now-15m", to: "now" },
    timepicker: { refresh_intervals: ["2s", "5s", "10s", "30s", "1m"] },
    links: [
      {
        ...{ type: "dashboards", title: "Lab", tags: ["lab"], icon: "external link" },
        ...{
          tooltip: "",
          asDropdown: true,
          keepTime: true,
          includeVars: false,
          targetBlank: false,
        },
      },
    ],
    annotations: { list: [runs] },
    templating: { list: dashboard.variables.map(variableJson) },
    panels: panelsJson(dashboard.rows),
  };
}

/** The series' value is the time: it is exact, however seldom it is scraped. */
const runsTarget = {
  ...{ refId: "Runs", expr: `${metric.runStarted} * 1000`, interval: "2s" },
  ...{ range: true, instant: false },
};
const runs = {
  name: "Runs",
  datasource: dataSource.prometheus,
  enable: true,
  hide: false,
  iconColor: "purple",
  expr: runsTarget.expr,
  step: "2s",
  target: runsTarget,
  useValueForTime: true,
  titleFormat: "{{scenario}}",
  textFormat: "Run of {{scenario}}, mode {{mode}}",
  tagKeys: "scenario,mode",
};

const variableJson = ({ name, label, description, query, regex = "" }: Variable): object => ({
  name,
  label,
  description,
  regex,
  type: "query",
  datasource: dataSource.prometheus,
  definition: query,
  query: { query, refId: `Variable-${name}` },
  refresh: 2,
  sort: 1,
  multi: true,
  includeAll: true,
  allValue: ".*",
  current: { text: ["All"], value: ["$__all"] },
  options: [],
  hide: 0,
});

/** Rows one below the other, panels from left to right. */
function panelsJson(rows: readonly Row[]): readonly object[] {
  let y = 0;
  return rows.flatMap((row, index) => {
    const head = {
      ...{ id: rowIds + index, type: "row", title: row.title, collapsed: false, panels: [] },
      gridPos: { x: 0, y: y++, w: columns, h: 1 },
    };
    let x = 0;
    let highest = 0;
    const placed = row.panels.map((panel) => {
      if (x + panel.width > columns) {
        y += highest;
        [x, highest] = [0, 0];
      }
      const h = panel.type === "stat" ? height.stat : height.other;
      const gridPos = { x, y, w: panel.width, h };
      x += panel.width;
      highest = Math.max(highest, h);
      return panelJson(panel, gridPos);
    });
    y += highest;
    return [head, ...placed];
  });
}

function panelJson(panel: Panel, gridPos: object): object {
  const { id, title, description, type, targets } = panel;
  return {
    ...{ id, title, description, type, gridPos },
    datasource: sourceOf(targets[0]),
    targets: targets.map((target, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: sourceOf(target),
      ...targetJson(target),
    })),
    fieldConfig: { defaults: fieldDefaults(panel), overrides: [] },
    options: optionsOf(panel),
  };
}

function sourceOf(target: Target | undefined): DataSource {
  switch (target?.language) {
    case "logql":
      return dataSource.loki;
    case "traceql":
    case "service map":
      return dataSource.tempo;
    case "promql":
    case undefined:
      return dataSource.prometheus;
  }
}

function targetJson(target: Target): object {
  switch (target.language) {
    case "promql":
      return {
        expr: target.expr,
        legendFormat: target.legend,
        editorMode: "code",
        range: target.instant !== true,
        instant: target.instant === true,
        exemplar: target.exemplars === true,
        format: target.heatmap ? "heatmap" : "time_series",
      };
    case "logql":
      return { expr: target.expr, queryType: "range", editorMode: "code", maxLines: 200 };
    case "traceql":
      return { query: target.expr, queryType: "traceql", tableType: "traces", limit: 20 };
    case "service map":
      return { queryType: "serviceMap" };
  }
}

function fieldDefaults({ unit, type, thresholds, stacked, max }: Panel): object {
  return {
    unit,
    ...(max === undefined ? {} : { max }),
    ...(type === "timeseries" || type === "stat" ? { min: 0 } : {}),
    color: { mode: thresholds && type === "stat" ? "thresholds" : "palette-classic" },
    ...(thresholds ? { thresholds: { mode: "absolute", steps: stepsOf(thresholds) } } : {}),
    custom:
      type === "timeseries"
        ? {
            ...{ drawStyle: "line", lineWidth: 1, fillOpacity: stacked ? 40 : 8 },
            ...{ showPoints: "auto", pointSize: 4, spanNulls: 15_000 },
            stacking: { mode: stacked ? "normal" : "none", group: "A" },
            thresholdsStyle: { mode: thresholds ? "dashed" : "off" },
          }
        : {},
  };
}

const stepsOf = ({ warn, bad, below }: NonNullable<Panel["thresholds"]>): readonly object[] =>
  below
    ? [
        { color: "red", value: null },
        { color: "orange", value: bad },
        { color: "green", value: warn },
      ]
    : [
        { color: "green", value: null },
        { color: "orange", value: warn },
        { color: "red", value: bad },
      ];

function optionsOf({ type }: Panel): object {
  switch (type) {
    case "timeseries":
      return {
        legend: {
          ...{ showLegend: true, displayMode: "table", placement: "bottom" },
          calcs: ["lastNotNull", "max"],
        },
        tooltip: { mode: "multi", sort: "desc" },
      };
    case "stat":
      return {
        ...{ colorMode: "value", graphMode: "area", textMode: "auto", justifyMode: "auto" },
        reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
      };
    case "heatmap":
      return {
        ...{ calculate: false, yAxis: { unit: "s" }, cellGap: 1, legend: { show: true } },
        exemplars: { color: "rgba(255,0,255,0.7)" },
        color: {
          ...{ mode: "scheme", scheme: "Blues", steps: 32 },
          ...{ fill: "dark-orange", exponent: 0.5, reverse: false },
        },
      };
    case "logs":
      return {
        ...{ showTime: true, wrapLogMessage: true, enableLogDetails: true },
        ...{ sortOrder: "Descending", dedupStrategy: "none", prettifyLogMessage: false },
      };
    case "table":
      return { showHeader: true, cellHeight: "sm" };
    case "nodeGraph":
      return {};
  }
}
