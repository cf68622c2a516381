/** Small servers that answer as Tempo, Loki and Prometheus do, for what the lab asks them. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { LogRecord } from "../../api/logs.ts";
import type { OtlpTrace } from "../../api/otlp.ts";
import type { MetricFamily, MetricSample } from "../openmetrics.ts";

export interface BackendDouble {
  readonly url: string;
  /** Every question is answered with this status from now on; 200 answers again. */
  readonly answerWith: (status: number) => void;
  /** Resolves when so many more questions have been asked. */
  readonly asked: (times: number) => Promise<void>;
  readonly close: () => Promise<void>;
}

type Answer = (url: URL) => unknown;

/** @param answer undefined for what is not there. */
async function openDouble(answer: Answer): Promise<BackendDouble> {
  let status = 200;
  const waiting = new Set<{ left: number; readonly resolve: () => void }>();
  const server = createServer((request, response) => {
    const found = status === 200 ? answer(new URL(request.url ?? "/", "http://double")) : {};
    response.writeHead(found === undefined ? 404 : status, { "content-type": "application/json" });
    response.end(JSON.stringify(found ?? {}));
    for (const one of waiting) {
      one.left -= 1;
      if (one.left <= 0) one.resolve();
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answerWith: (next) => {
      status = next;
    },
    asked: async (times) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add({ left: times, resolve });
      await promise;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

const base64 = (hex: string): string => Buffer.from(hex, "hex").toString("base64");

export type TempoDouble = BackendDouble & { readonly put: (trace: OtlpTrace) => void };

/** Knows traces by their id alone, as protobuf's JSON. */
export async function openTempoDouble(): Promise<TempoDouble> {
  const traces = new Map<string, OtlpTrace>();
  const ids = new Set(["traceId", "spanId", "parentSpanId"]);
  const double = await openDouble(({ pathname }) => {
    const trace = traces.get(pathname.slice("/api/v2/traces/".length));
    if (trace === undefined) return undefined;
    const written = JSON.stringify(trace, (key, value) => (ids.has(key) ? base64(value) : value));
    return { trace: JSON.parse(written) };
  });
  return {
    ...double,
    put: (trace) => {
      const [span] = trace.resourceSpans.flatMap((it) => it.scopeSpans.flatMap((s) => s.spans));
      if (span !== undefined) traces.set(span.traceId, trace);
    },
  };
}

export type LokiDouble = BackendDouble & { readonly put: (record: LogRecord) => void };

/** Finds lines by the trace or the run that a query names. */
export async function openLokiDouble(): Promise<LokiDouble> {
  const records: LogRecord[] = [];
  const double = await openDouble(({ searchParams }) => {
    const query = searchParams.get("query") ?? "";
    const [, label, value] = /\| (\w+)="([^"]*)"/.exec(query) ?? [];
    const streams = records.map((record) => ({
      stream: labelsOf(record),
      values: [[record.timeUnixNano, record.body]],
    }));
    return { data: { result: streams.filter(({ stream }) => stream[label ?? ""] === value) } };
  });
  return { ...double, put: (record) => void records.push(record) };
}

const labelsOf = ({ attributes, service, severity, traceId, spanId }: LogRecord) => {
  const own = Object.entries(attributes).map(([key, value]) => [
    key.replaceAll(".", "_"),
    typeof value === "object" ? JSON.stringify(value) : String(value),
  ]);
  const labels: Record<string, string> = {
    ...Object.fromEntries(own),
    ...{ service_name: service, severity_text: severity, detected_level: severity },
    ...(traceId === null ? {} : { trace_id: traceId }),
    ...(spanId === null ? {} : { span_id: spanId }),
  };
  return labels;
};

export interface PrometheusDouble extends BackendDouble {
  /** @param at milliseconds since the epoch. */
  readonly scrape: (scrape: Scrape) => void;
  /** Queries as they were asked, in order. */
  readonly queries: readonly string[];
}
interface Scrape {
  readonly job: string;
  readonly at: number;
  /** False for a scrape that failed: nothing but `up` comes of it. */
  readonly up?: boolean;
  readonly samples?: readonly MetricSample[];
  readonly families?: readonly MetricFamily[];
}

/** Keeps what it is told was scraped, and gives out a whole job, whatever the names that were asked for. */
export async function openPrometheusDouble(): Promise<PrometheusDouble> {
  const scrapes: Scrape[] = [];
  const queries: string[] = [];
  const seconds = (ms: number): number => ms / 1000;
  const upOf = (scrape: Scrape): MetricSample => ({
    ...{ name: "up", labels: {}, value: scrape.up === false ? 0 : 1 },
  });
  const series = (samples: (scrape: Scrape) => readonly MetricSample[], query: string) =>
    scrapes
      .filter(({ job }) => query.includes(`job="${job}"`))
      .flatMap((scrape) =>
        samples(scrape).map(({ name, labels, value }) => ({
          metric: { __name__: name, job: scrape.job, instance: "lab", ...labels },
          values: [[seconds(scrape.at), String(value)]],
        })),
      );
  const double = await openDouble(({ pathname, searchParams }) => {
    const query = searchParams.get("query") ?? searchParams.get("match_target") ?? "";
    if (pathname === "/api/v1/query") queries.push(query);
    switch (pathname) {
      case "/api/v1/query": {
        const isUp = query.startsWith("up{");
        return {
          data: { result: series((it) => (isUp ? [upOf(it)] : (it.samples ?? [])), query) },
        };
      }
      case "/api/v1/targets/metadata":
        return {
          data: scrapes
            .filter(({ job }) => query.includes(`job="${job}"`))
            .flatMap(({ families = [] }) =>
              families.map(({ name, type }) => ({ metric: name, type })),
            ),
        };
      case "/api/v1/query_exemplars":
        return {
          data: scrapes.flatMap(({ job, at, samples = [] }) =>
            samples.flatMap(({ name, labels, exemplar }) =>
              exemplar === undefined
                ? []
                : [
                    {
                      seriesLabels: { __name__: name, job, instance: "lab", ...labels },
                      exemplars: [
                        {
                          labels: exemplar.labels,
                          value: String(exemplar.value),
                          // Observed a moment before it was scraped.
                          timestamp: seconds(at - 1),
                        },
                      ],
                    },
                  ],
            ),
          ),
        };
      default:
        return undefined;
    }
  });
  return { ...double, queries, scrape: (scrape) => void scrapes.push(scrape) };
}
