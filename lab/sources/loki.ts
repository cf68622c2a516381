import type { LogRecord } from "../api/logs.ts";
import { LabError } from "../errors.ts";
import { readJson } from "./http-json.ts";

/**
 * A log line as Loki keeps it: what OTLP called attributes are labels, of the resource and the scope
 * too, with underscores for dots, and text whatever they were.
 */
export type LokiLine = Pick<
  LogRecord,
  "body" | "service" | "severity" | "spanId" | "timeUnixNano" | "traceId"
> & {
  readonly labels: Readonly<Record<string, string>>;
};

/** Read side of Loki. Rejects with a `LabError` `loki-unreachable` while it is away. */
export interface LokiSource {
  /** Lines that a LogQL query finds, oldest first, from `since` on (milliseconds since the epoch; default: an hour ago). */
  readonly logs: (query: string, since?: number) => Promise<readonly LokiLine[]>;
}

/** LogQL for the lines of a trace, whoever wrote them. */
export const logsOfTrace = (traceId: string): string =>
  `{service_name=~".+"} | trace_id=${JSON.stringify(traceId)}`;

/** LogQL for the lines that carry the id of a run. */
export const logsOfRun = (runId: string): string =>
  `{service_name=~".+"} | lab_run_id=${JSON.stringify(runId)}`;

const lookBackMs = 3_600_000;
/** As many as Loki gives out at once as it comes. */
const lineLimit = 5000;

/**
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time
 * @param base where its API is; asked on every call, since a restart may move it.
 */
export function openLokiSource(base: () => string | undefined): LokiSource {
  return {
    logs: async (query, since = Date.now() - lookBackMs) => {
      const parameters = new URLSearchParams({
        query,
        start: nanoseconds(since),
        end: nanoseconds(Date.now() + 60_000),
        limit: String(lineLimit),
        direction: "forward",
      });
      try {
        const url = new URL(`/loki/api/v1/query_range?${parameters}`, base());
        const found = await readJson<LokiAnswer>(url);
        const lines = (found?.data.result ?? []).flatMap(linesOf);
        return lines.sort((a, b) => (a.timeUnixNano < b.timeUnixNano ? -1 : 1));
      } catch (cause) {
        throw new LabError("loki-unreachable", "Loki does not answer.", {
          cause,
          hint: "See its row on the Services page, and its log: npm run lab -- logs loki",
        });
      }
    },
  };
}

interface LokiAnswer {
  readonly data: { readonly result: readonly LokiStream[] };
}
type Labels = LokiLine["labels"];
interface LokiStream {
  readonly stream: Labels;
  readonly values: readonly (readonly [string, string])[];
}

const linesOf = ({ stream, values }: LokiStream): readonly LokiLine[] =>
  values.map(([timeUnixNano, body]) => ({
    timeUnixNano,
    body,
    service: stream.service_name ?? "",
    severity: severityOf(stream),
    traceId: stream.trace_id ?? null,
    spanId: stream.span_id ?? null,
    labels: stream,
  }));

const severities = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

/** Four numbers share a name; a line without one may still have a text. */
function severityOf({ severity_number: number, severity_text: text = "" }: Labels) {
  if (Number(number) > 0) return severities[(Number(number) - 1) >> 2] ?? "fatal";
  return severities.find((name) => text.toLowerCase().startsWith(name)) ?? "info";
}

const nanoseconds = (ms: number): string => `${Math.floor(ms)}000000`;
