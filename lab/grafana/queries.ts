/** A query as a dashboard's file has it, with where it stands. */
export interface DashboardQuery {
  readonly dashboard: string;
  /** `Requests by route`, `annotation Runs` or `variable route`. */
  readonly place: string;
  readonly language: "promql" | "logql" | "traceql" | "service map";
  readonly expr: string;
  readonly datasourceUid: string;
  readonly exemplars: boolean;
}

interface Source {
  readonly datasource: { readonly type: string; readonly uid: string };
}
interface PanelJson extends Source {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly (Source & {
    readonly expr?: string;
    readonly query?: string;
    readonly queryType?: string;
    readonly exemplar?: boolean;
  })[];
}
/** What is read of a dashboard's file. */
export interface DashboardFile {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly PanelJson[];
  readonly annotations: {
    readonly list: readonly (Source & { readonly name: string; readonly expr: string })[];
  };
  readonly templating: {
    readonly list: readonly (Source & { readonly name: string; readonly definition: string })[];
  };
}

/** Every query of a dashboard: of panels, annotations and variables. */
export function queriesOf(file: DashboardFile): readonly DashboardQuery[] {
  const query = (
    { datasource }: Source,
    rest: Pick<DashboardQuery, "place" | "language" | "expr"> & { exemplars?: boolean },
  ): DashboardQuery => ({
    ...{ dashboard: file.uid, datasourceUid: datasource.uid, exemplars: false },
    ...rest,
  });
  return [
    ...file.panels.flatMap((panel) =>
      (panel.targets ?? []).map((target) =>
        query(target, {
          place: panel.title,
          language: languageOf(target.datasource.type, target.queryType),
          expr: target.expr ?? target.query ?? "",
          exemplars: target.exemplar === true,
        }),
      ),
    ),
    ...file.annotations.list.map((one) =>
      query(one, { place: `annotation ${one.name}`, language: "promql", expr: one.expr }),
    ),
    ...file.templating.list.map((one) =>
      query(one, {
        place: `variable ${one.name}`,
        language: "promql",
        expr: variableExpr(one.definition),
      }),
    ),
  ];
}

function languageOf(type: string, queryType: string | undefined): DashboardQuery["language"] {
  if (queryType === "serviceMap") return "service map";
  return type === "tempo" ? "traceql" : type === "loki" ? "logql" : "promql";
}

/** What `label_values(series, label)` and `query_result(expression)` read. */
function variableExpr(definition: string): string {
  const [, series] = /^label_values\((.+), \w+\)$/.exec(definition) ?? [];
  const [, expr] = /^query_result\((.+)\)$/.exec(definition) ?? [];
  return series ?? expr ?? definition;
}

/** Grafana's variables with a value each, as a viewer of everything in the last `rangeSeconds` has them. */
export function filledIn(expr: string, rangeSeconds = 900): string {
  return (
    expr
      .replaceAll("$__rate_interval_ms", "30000")
      .replaceAll("$__rate_interval", "30s")
      // Durations are whole numbers.
      .replaceAll("$__range", `${Math.ceil(rangeSeconds)}s`)
      .replaceAll(/\$(?!\d)\w+/g, ".*")
  );
}
