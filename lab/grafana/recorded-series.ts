/** Labels that tell where something was scraped, not what it is. */
const places: ReadonlySet<string> = new Set([
  ...["__name__", "instance", "job", "service_instance_id", "server"],
  ...["otel_scope_name", "otel_scope_schema_url", "otel_scope_version"],
]);

/** One line per metric, with its label names: `name{label,label}`. Enough to know a metric by, and it changes only when the metric does. */
export function recordedSeries(
  series: readonly Readonly<Record<string, string>>[],
): readonly string[] {
  const labels = new Map<string, Set<string>>();
  for (const one of series) {
    const name = one.__name__ ?? "";
    const known = labels.get(name) ?? new Set();
    for (const label of Object.keys(one)) if (!places.has(label)) known.add(label);
    labels.set(name, known);
  }
  return [...labels].map(([name, known]) => `${name}{${[...known].sort().join(",")}}`).sort();
}

/** Metrics of a recording, with their labels. */
export const readRecording = (text: string): ReadonlyMap<string, readonly string[]> =>
  new Map(
    text
      .trim()
      .split("\n")
      .map((line) => {
        const [, name = "", labels = ""] = /^([^{]+)\{(.*)\}$/.exec(line) ?? [];
        return [name, labels.split(",").filter(Boolean)];
      }),
  );
