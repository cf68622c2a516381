/**
 * Every name that more than one part of the lab writes or reads: attributes, metrics, headers,
 * trace services. A leaf: it imports nothing, so the page, the app and the lab can all use it.
 *
 * Standard names come from `@opentelemetry/semantic-conventions`; only our own live here, always
 * below `lab.` (https://opentelemetry.io/docs/specs/semconv/general/naming/).
 */

/** `service.name` of each process that starts or continues a trace. */
export const traceService = {
  web: "lab-web",
  cli: "lab-cli",
  server: "lab-server",
} as const;

/** Our attributes on spans and log records; the first three also travel as W3C baggage. */
export const attribute = {
  /** Run id: 26 characters, sorts by time. Never a metric label: it is unbounded. */
  runId: "lab.run.id",
  scenarioId: "lab.scenario.id",
  /** `fault`, `control` or `fix`. */
  scenarioMode: "lab.scenario.mode",
  /** `hit`, `miss`, `coalesced` or `error`. */
  cacheOutcome: "lab.cache.outcome",
  /** The key that was read, with its ids as `?`. */
  cacheKey: "lab.cache.key",
  /** 1 for the first try. */
  retryAttempt: "lab.retry.attempt",
  /** Of several layers of code that try again; 1 is the innermost. */
  retryLayer: "lab.retry.layer",
  /** `true` when the answer came from a fallback. */
  degraded: "lab.degraded",
  /** `true` on a span that the crash handler had to end. */
  crashed: "lab.crashed",
  /** Session cookies that a visitor of a scenario holds. */
  sessionCookies: "lab.auth.session_cookies",
  /** Root node kind of a query plan with the most rows removed, e.g. `Seq Scan`. */
  planNode: "lab.pg.plan.node",
  /** Rows the plan read and threw away. */
  planRowsRemoved: "lab.pg.rows_removed",
  /** Shared buffers the plan touched (8 KiB pages). */
  planBuffers: "lab.pg.buffers",
} as const;

/** Prometheus names of the app's own metrics, as OpenMetrics exposes them. */
export const metric = {
  httpServerDuration: "http_server_request_duration_seconds",
  dbOperationDuration: "db_client_operation_duration_seconds",
  dbConnectionCount: "db_client_connection_count",
  dbConnectionPending: "db_client_connection_pending_requests",
  dbConnectionTimeouts: "db_client_connection_timeouts_total",
  dbConnectionWaitTime: "db_client_connection_wait_time_seconds",
  cacheRequests: "lab_cache_requests_total",
  /** Values that the small Valkey removed to make room, as it says itself. */
  cacheEvicted: "lab_cache_evicted_keys_total",
  /** Core Web Vitals as the page measured them; `_seconds` but for CLS, which has no unit. */
  webVital: {
    LCP: "web_vital_lcp_seconds",
    INP: "web_vital_inp_seconds",
    CLS: "web_vital_cls",
    FCP: "web_vital_fcp_seconds",
    TTFB: "web_vital_ttfb_seconds",
  },
  telemetryDropped: "lab_telemetry_dropped_total",
  telemetryQueued: "lab_telemetry_queued",
  componentRestarts: "lab_component_restarts_total",
  outboundCalls: "lab_outbound_calls_total",
  circuitTransitions: "lab_circuit_transitions_total",
  exporterHeapUsed: "lab_exporter_heap_used_bytes",
  exporterGcTime: "lab_exporter_gc_seconds_total",
  /** By how much timers were late because the event loop did not turn. */
  eventLoopBlocked: "lab_eventloop_blocked_seconds_total",
  /** Writes to a lost connection that the app kept from postgres.js. */
  driverFault: "lab_driver_fault_total",
  /** Of the store: when a scenario was last run, by `scenario` and `mode`. */
  runStarted: "lab_run_started_timestamp_seconds",
} as const;

/** HTTP headers that are ours. The front door strips the first two from what clients send. */
export const header = {
  /** Per-start secret between front door and server. */
  doorSecret: "x-lab-door",
  /** Set by the front door on requests it lets through: `http` or `https`. */
  forwardedProto: "x-forwarded-proto",
  /** Signed run ticket, see `scenarios/ticket.ts`. */
  ticket: "x-lab-ticket",
  /** Must be `1` on every write to `/api` and `/lab/api`. A form or a cross-origin page cannot send it. */
  csrf: "x-lab-csrf",
  /** W3C Trace Context Level 2 draft: the server's own span, sent back to the caller. */
  traceResponse: "traceresponse",
} as const;

/** Span name of the driver's root, e.g. `scenario.run db.n-plus-one`. */
export const rootSpanName = (scenarioId: string): string => `scenario.run ${scenarioId}`;

/** Span name around `serve`, inside the server's request span. */
export const serveSpanName = (scenarioId: string): string => `scenario ${scenarioId}`;

/**
 * A value that looks like a secret and is none: planted in one place of one run, to be searched for
 * afterwards. @param place letters only.
 */
export const canaryOf = (place: string, runId: string): string => `canary-${place}-${runId}`;

/** Whether a text holds a canary of this run. */
export const holdsCanary = (text: string, runId: string): boolean =>
  text.includes(`-${runId}`) && new RegExp(`canary-[a-z]+-${runId}`).test(text);
