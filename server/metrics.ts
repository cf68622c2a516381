import { isSpanContextValid, TraceFlags, trace } from "@opentelemetry/api";
import {
  Counter,
  collectDefaultMetrics,
  Histogram,
  type OpenMetricsContentType,
  Registry,
} from "prom-client";
import { metric } from "#scenarios/names.ts";

/** Everything the app exposes. OpenMetrics, because only that format carries exemplars. */
export const registry = new Registry<OpenMetricsContentType>();
registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
collectDefaultMetrics({ register: registry });

const registers = [registry];

/** Seconds per request by route template (https://opentelemetry.io/docs/specs/semconv/http/http-metrics/). */
const httpServerDuration = new Histogram<string>({
  name: metric.httpServerDuration,
  help: "Duration of HTTP requests the app answered.",
  labelNames: ["http_request_method", "http_route", "http_response_status_code"],
  buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  enableExemplars: true,
  registers,
});

/** Seconds per database operation (https://opentelemetry.io/docs/specs/semconv/db/database-metrics/). */
const dbOperationDuration = new Histogram<string>({
  name: metric.dbOperationDuration,
  help: "Duration of database operations.",
  labelNames: [
    "db_system_name",
    "db_operation_name",
    "db_collection_name",
    "error_type",
    "db_client_connection_pool_name",
  ],
  buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10],
  enableExemplars: true,
  registers,
});

/** What leaves the app by a queue of its own: spans, log records, Sentry's envelopes. */
const telemetrySignals = ["span", "log", "sentry"] as const;
export type TelemetrySignal = (typeof telemetrySignals)[number];

const telemetryDropped = new Counter({
  name: metric.telemetryDropped,
  help: "Spans, log records and Sentry envelopes that could not be delivered.",
  labelNames: ["reason", "signal"],
  registers,
});

// Present from the start: a counter that appears with its first loss shows no increase.
for (const signal of telemetrySignals) {
  for (const reason of ["queue_full", "rejected", "shutdown"]) {
    telemetryDropped.inc({ signal, reason }, 0);
  }
}

const driverFault = new Counter({
  name: metric.driverFault,
  help: "Writes to a lost connection that were kept from the database driver.",
  registers,
});

/**
 * Ids of the active span, for an exemplar. Nothing else may go in: the registry breaks the whole
 * exposition when an exemplar is longer than 128 characters.
 */
export function exemplar(): { exemplarLabels?: { trace_id: string; span_id: string } } {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !isSpanContextValid(span)) return {};
  if ((span.traceFlags & TraceFlags.SAMPLED) === 0) return {};
  return { exemplarLabels: { trace_id: span.traceId, span_id: span.spanId } };
}

/** One answered request. `route` is a template, never a path. */
export function observeRequest(
  labels: { readonly method: string; readonly route: string; readonly status: number },
  seconds: number,
): void {
  httpServerDuration.observe({
    labels: {
      http_request_method: labels.method,
      http_route: labels.route,
      http_response_status_code: String(labels.status),
    },
    value: seconds,
    ...exemplar(),
  });
}

/** One ended database operation; `errorType` is a SQLSTATE, the prefix of a reply or a driver's code. */
export function observeOperation(
  labels: {
    /** As `db.system.name`. */
    readonly system: "postgresql" | "redis";
    readonly operation: string;
    readonly collection: string | undefined;
    readonly errorType: string | undefined;
    /** Of the connection; undefined where there is no pool. */
    readonly pool?: string | undefined;
  },
  seconds: number,
): void {
  dbOperationDuration.observe({
    labels: {
      db_system_name: labels.system,
      db_operation_name: labels.operation,
      db_collection_name: labels.collection ?? "",
      error_type: labels.errorType ?? "",
      db_client_connection_pool_name: labels.pool ?? "",
    },
    value: seconds,
    ...exemplar(),
  });
}

export const countDropped = (signal: TelemetrySignal, count: number, reason: string): void =>
  telemetryDropped.inc({ signal, reason }, count);
export const countDriverFault = (): void => driverFault.inc();
