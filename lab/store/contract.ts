import type { StoreBody } from "#lab/api/store.ts";

/**
 * What the store process offers to the lab, besides OTLP (`POST /v1/{traces,logs,metrics}`), the
 * Sentry envelope endpoint (`POST /api/<project>/envelope/`) and Tempo's API (`GET /api/traces/<id>`,
 * `/api/v2/traces/<id>`, `/api/search`, `/api/v2/search/tags`, `/api/v2/search/tag/<tag>/values`,
 * `/api/echo`, `/ready`), whose refusals are plain text, as Tempo's.
 */
export const storeRoutes = {
  /**
   * OTLP/JSON `{ resourceSpans }`, hex ids; 404 while unknown. With `Accept: application/x-lab-columns`
   * the columns, 24 bytes per span and no attributes (layout in `trace-columns.ts`); who takes JSON, too, gets the columns of large traces only.
   */
  trace: (traceId: string) => `/lab/traces/${traceId}`,
  /** Up to 100 spans, ids joined by commas, with resource and scope, as OTLP/JSON `{ resourceSpans }`. */
  spans: (traceId: string, spanIds: string) => `/lab/traces/${traceId}/spans/${spanIds}`,
  /** `RedBody`; query `seconds` (300), `service`, `limit` (of the operations). */
  red: "/lab/red",
  /** `SearchBody`, as Tempo's search: query `q`, `limit`, `start`, `end`. */
  search: "/lab/search",
  /** `TagsBody`, as Tempo lists them: query `q`, `start`, `end`, `limit`, `scope`. */
  tags: "/lab/tags",
  /** `TagValuesBody`; query as of `tags`. @param tag name with its scope, URL-encoded. */
  tagValues: (tag: string) => `/lab/tags/${tag}`,
  /** `{ traceIds }` of every trace with a span or log that carries the run id. */
  runTraces: (runId: string) => `/lab/runs/${runId}/traces`,
  /** POST keeps the run's traces, logs and Sentry items from eviction, DELETE no longer; `{ pinnedRuns }`. */
  pin: (runId: string) => `/lab/runs/${runId}/pin`,
  /** `LogsBody`; query `trace`, `run`, `service`, `severity` (at least), `text`, `limit` (newest first wins, shown oldest first). */
  logs: "/lab/logs",
  /** `SentryBody`; query `trace`, `run`, `kind`, `limit`. */
  sentry: "/lab/sentry",
  /**
   * `MetricsBody`; query `name`, `label.<name>` (each label once), `from` and `to` (milliseconds
   * since the epoch), `run`, `limit` (newest first wins, shown oldest first).
   */
  metrics: "/lab/metrics",
  /** `StatsBody`. */
  stats: "/lab/stats",
  /**
   * NDJSON stream of {@link FeedMessage}; starts with `hello`, sends `beat` every 5 s. Query `trace`
   * or `run` leaves out what concerns others, so that `seq` then skips numbers.
   */
  feed: "/lab/feed",
  ready: "/ready",
} as const;

/** Request header: which store is meant, by its folder. Any other answers 421. */
export const folderHeader = "x-lab-store-folder";
/** A folder as {@link folderHeader} takes it. */
export const folderInHeader = (folder: string): string => encodeURIComponent(folder);

/** Sent after the data is durable and readable: whoever gets it can read it at once. */
export type FeedMessage =
  | { readonly type: "hello"; readonly seq: number }
  | { readonly type: "beat"; readonly seq: number }
  | { readonly type: "grew"; readonly seq: number; readonly traces: readonly TraceGrowth[] };

export interface TraceGrowth {
  readonly traceId: string;
  /** Run that the trace belongs to, once any of its spans or logs said so. */
  readonly runId: string | null;
  /** Newly arrived. */
  readonly spans: number;
  readonly logs: number;
  readonly sentry: number;
}

/** What became of the copies that go on to a real Sentry project, since the store started. */
export interface ForwardingStats {
  /** Requests that it took. */
  readonly sent: number;
  /** Requests that wait or are under way. */
  readonly waiting: number;
  /** Requests, or items of them, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

export interface StatsBody extends StoreBody {
  /** Null while no `SENTRY_DSN` is set. */
  readonly forwarding: ForwardingStats | null;
}
