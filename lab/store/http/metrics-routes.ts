import { metric } from "#scenarios/names.ts";
import {
  type MetricFamily,
  openMetrics,
  openMetricsType,
} from "../postgres-metrics/metric-family.ts";
import { runStarts } from "../run-starts.ts";
import type { Store } from "../store.ts";
import type { Route } from "./route.ts";

/** Reasons that are there from the start: a counter that appears with its first loss shows no increase. */
const knownReasons = ["span with an invalid id", "log record with an invalid id"] as const;

/** `GET /metrics`: how much the store holds, what it refused, and when which scenario was run. */
export function metricsRoutes(store: Store): readonly Route[] {
  const starts = runStarts(store.index);
  return [
    {
      method: "GET",
      path: /^\/metrics$/,
      handle: ({ response }) => {
        response.writeHead(200, { "content-type": openMetricsType, "cache-control": "no-store" });
        response.end(openMetrics(families(store, starts())));
      },
    },
  ];
}

function families(
  store: Store,
  runs: ReturnType<ReturnType<typeof runStarts>>,
): readonly MetricFamily[] {
  const { spans, logs, sentryItems, traces, bytes, dropped } = store.stats();
  const lost = { ...Object.fromEntries(knownReasons.map((reason) => [reason, 0])), ...dropped };
  const gauge = (name: string, help: string, samples: MetricFamily["samples"]): MetricFamily => ({
    ...{ type: "gauge", name, help, samples },
  });
  return [
    gauge("lab_store_items", "What the store holds at the moment, by kind.", [
      { labels: { kind: "span" }, value: spans },
      { labels: { kind: "log" }, value: logs },
      { labels: { kind: "sentry" }, value: sentryItems },
      { labels: { kind: "trace" }, value: traces },
    ]),
    gauge("lab_store_size_bytes", "Bytes of the store's files.", [{ value: bytes }]),
    {
      name: "lab_store_dropped",
      type: "counter",
      help: "What the store refused or lost, by reason.",
      samples: Object.entries(lost).map(([reason, value]) => ({ labels: { reason }, value })),
    },
    gauge(
      metric.runStarted,
      "When a scenario was last run in a mode, since the epoch.",
      runs.map(({ scenario, mode, at }) => ({ labels: { scenario, mode }, value: at / 1000 })),
    ),
  ];
}
