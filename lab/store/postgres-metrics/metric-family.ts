/** Metrics of one name. */
export interface MetricFamily {
  /** Without `_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Media type of {@link openMetrics}. */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** The text of OpenMetrics (https://prometheus.io/docs/specs/om/open_metrics_spec/). */
export function openMetrics(families: readonly MetricFamily[]): string {
  const lines = families.flatMap(({ name, type, help, samples }) => [
    `# HELP ${name} ${escaped(help)}`,
    `# TYPE ${name} ${type}`,
    ...samples.map(
      ({ labels = {}, value }) =>
        `${name}${type === "counter" ? "_total" : ""}${labelText(labels)} ${value}`,
    ),
  ]);
  return `${lines.join("\n")}\n# EOF\n`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}

const escaped = (text: string): string =>
  text.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
