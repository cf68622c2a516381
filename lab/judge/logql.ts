import type { LogExpectation } from "#scenarios/expectation.ts";
import type { Comparison } from "#scenarios/span-selector.ts";

/**
 * LogQL (https://grafana.com/docs/loki/latest/query/) for the lines of a run that an expectation
 * means, as far as it can say so: attributes are compared by the lab alone.
 */
export function logQuery(
  runId: string,
  traceIds: ReadonlySet<string>,
  { service, severity, body }: Pick<LogExpectation, "service" | "severity" | "body">,
): string {
  const traces = traceIds.size === 0 ? "" : ` or trace_id=~${quoted([...traceIds].join("|"))}`;
  return [
    `{service_name${typeof service === "string" ? `=${quoted(service)}` : `=~".+"`}}`,
    ...(typeof body === "string" ? [`|= ${quoted(body)}`] : patternOf(body)),
    ...(typeof severity === "string" ? [`| severity_text=~${quoted(`(?i)${severity}`)}`] : []),
    `| lab_run_id=${quoted(runId)}${traces}`,
  ].join(" ");
}

const patternOf = (body: Comparison | undefined): readonly string[] =>
  typeof body === "object" && body.matches !== undefined ? [`|~ ${quoted(body.matches)}`] : [];

const quoted = (text: string): string =>
  `"${text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n")}"`;
