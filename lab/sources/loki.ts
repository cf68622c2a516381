import type { LogRecord } from "../api.ts";
import { LabError } from "../errors.ts";
import { readJson } from "./http-json.ts";

/** A log line as Loki keeps it: what OTLP called attributes are labels, with underscores for dots. */
export type LokiLine = Pick<
  LogRecord,
  "body" | "service" | "spanId" | "timeUnixNano" | "traceId"
> & {
  readonly severity: string | null;
  readonly labels: Readonly<Record<string, string>>;
};

/** Read side of Loki. Rejects with a `LabError` `loki-unreachable` while it is away. */
export interface LokiSource {
  /** Lines of a trace, oldest first, of the last hour. */
  readonly logsOf: (traceId: string) => Promise<readonly LokiLine[]>;
}

const lookBackMs = 3_600_000;
const lineLimit = 1000;

/**
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-within-a-range-of-time
 * @param base where its API is; asked on every call, since a restart may move it.
 */
export function openLokiSource(base: () => string | undefined): LokiSource {
  return {
    logsOf: async (traceId) => {
      const parameters = new URLSearchParams({
        query: `{service_name=~".+"} | trace_id=${JSON.stringify(traceId)}`,
        start: nanoseconds(Date.now() - lookBackMs),
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
interface LokiStream {
  readonly stream: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [string, string])[];
}

const linesOf = ({ stream, values }: LokiStream): readonly LokiLine[] =>
  values.map(([timeUnixNano, body]) => ({
    timeUnixNano,
    body,
    service: stream.service_name ?? "",
    severity: stream.severity_text?.toLowerCase() ?? null,
    traceId: stream.trace_id ?? null,
    spanId: stream.span_id ?? null,
    labels: stream,
  }));

const nanoseconds = (ms: number): string => `${Math.floor(ms)}000000`;
