/**
 * The HTTP contract of the front door: where to ask. What is sent and answered stands in the files
 * beside it, as schemas and the types made from them. The page imports this folder and nothing else
 * of the lab.
 *
 * Times are milliseconds since the epoch unless the name says otherwise; trace ids are 32 and span
 * ids 16 lower-case hex digits.
 */
import type { ServiceAction } from "./services.ts";

export const routes = {
  status: "/lab/api/status",
  scenarios: "/lab/api/scenarios",
  runs: "/lab/api/runs",
  run: (runId: string) => `/lab/api/runs/${runId}`,
  evidence: (runId: string) => `/lab/api/runs/${runId}/evidence`,
  insights: (runId: string) => `/lab/api/runs/${runId}/insights`,
  /** `RunMetricsBody`. */
  runMetrics: (runId: string) => `/lab/api/runs/${runId}/metrics`,
  observations: (runId: string) => `/lab/api/runs/${runId}/observations`,
  trace: (traceId: string) => `/lab/api/traces/${traceId}`,
  /** Up to 100 spans of a trace, ids joined by commas, as `OtlpTrace`. */
  spans: (traceId: string, spanIds: string) => `/lab/api/traces/${traceId}/spans/${spanIds}`,
  /** POST keeps the run's telemetry from eviction, DELETE no longer. */
  pin: (runId: string) => `/lab/api/runs/${runId}/pin`,
  red: "/lab/api/red",
  /** `SearchBody`; query `q` (TraceQL), `limit` (1 to 1000, default 20), `start` and `end` in seconds since the epoch. */
  search: "/lab/api/search",
  /** `TagsBody`: what TraceQL can ask for. Query `q`: of which spans; finished conditions of one `{ … && … }` count. */
  tags: "/lab/api/tags",
  /** `TagValuesBody`, of a name with its scope, e.g. `span.http.route`; query `q` as of `tags`. */
  tagValues: (name: string) => `/lab/api/tags/${encodeURIComponent(name)}`,
  /** `StoreBody`. */
  store: "/lab/api/store",
  logs: "/lab/api/logs",
  sentry: "/lab/api/sentry",
  metrics: "/lab/api/metrics",
  service: (id: string, action: ServiceAction) => `/lab/api/services/${id}/${action}`,
  serviceLog: (id: string) => `/lab/api/services/${id}/log`,
  events: "/lab/api/events",
  account: "/lab/api/account",
  links: "/lab/api/links",
  /** `SelfTestBody`. */
  selfTest: "/lab/api/self-test",
  ingestTraces: "/lab/ingest/v1/traces",
  ingestLogs: "/lab/ingest/v1/logs",
  ingestMetrics: "/lab/ingest/v1/metrics",
  ingestEnvelope: "/lab/ingest/envelope",
  health: "/healthz",
} as const;
