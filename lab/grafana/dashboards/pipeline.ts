import { metric } from "#scenarios/names.ts";
import type { Dashboard } from "../dashboard.ts";
import {
  curves,
  firstOf,
  growth,
  growthFromFirst,
  number,
  promql,
  rate,
  rateFromFirst,
} from "../promql.ts";
import { dashboardUid } from "../uids.ts";

const service = 'service_name=~"$service"';
/** Newer Collectors show it with the first failure, and say nothing before. */
const failedSpans = "otelcol_exporter_send_failed_spans";
/** There as soon as the Collector is. */
const exporters = 'otelcol_exporter_queue_capacity{data_type="traces"}';

/** The way of the telemetry itself: app, Collector, Tempo, store, Prometheus. */
export const pipeline: Dashboard = {
  uid: dashboardUid.pipeline,
  description:
    "Where telemetry is, waits and gets lost on its way from the app to those who keep it.",
  variables: [
    {
      name: "service",
      label: "Service",
      description: "Services that send spans.",
      query: "label_values(traces_spanmetrics_calls_total, service_name)",
    },
  ],
  rows: [
    {
      title: "At a glance",
      panels: [
        number(
          {
            ...{
              id: 1,
              title: "Waiting in the app",
              unit: "none",
              thresholds: { warn: 500, bad: 1500 },
            },
            description: "Spans and log records that wait to be delivered.",
          },
          promql(`sum(${metric.telemetryQueued})`, "waiting"),
        ),
        number(
          {
            ...{ id: 2, title: "Lost by the app", unit: "none", thresholds: { warn: 1, bad: 100 } },
            description: "Spans and log records given up in the window shown.",
          },
          promql(`sum(${growth(metric.telemetryDropped)})`, "lost", { instant: true }),
        ),
        number(
          {
            ...{
              id: 3,
              title: "Lost by the Collector",
              unit: "none",
              thresholds: { warn: 1, bad: 100 },
            },
            description: "Spans that it could not hand on, in the window shown.",
          },
          promql(firstOf(`sum(${growthFromFirst(failedSpans)})`, `0 * sum(${exporters})`), "lost", {
            instant: true,
          }),
        ),
        number(
          {
            ...{
              id: 4,
              title: "Refused by Tempo",
              unit: "none",
              thresholds: { warn: 1, bad: 100 },
            },
            description: "Spans that Tempo discarded in the window shown.",
          },
          promql(`sum(${growth("tempo_discarded_spans_total")})`, "discarded", { instant: true }),
        ),
        number(
          {
            ...{
              id: 5,
              title: "Refused by the store",
              unit: "none",
              thresholds: { warn: 1, bad: 100 },
            },
            description:
              "Spans, records and requests that the lab's store refused or lost, in the window shown.",
          },
          promql(`sum(${growth("lab_store_dropped_total")})`, "refused", { instant: true }),
        ),
        number(
          {
            ...{ id: 6, title: "Scrape targets up", unit: "percentunit", max: 1 },
            description: "Share of the services that Prometheus can read metrics from.",
            thresholds: { warn: 1, bad: 0.8, below: true },
          },
          promql("avg(up)", "up"),
        ),
      ],
    },
    {
      title: "App",
      panels: [
        curves(
          {
            ...{ id: 10, title: "Queue of the app", unit: "none" },
            description: "What waits to be delivered: it grows while the Collector is away.",
          },
          promql(`sum by (signal) (${metric.telemetryQueued})`, "{{signal}}"),
        ),
        curves(
          {
            ...{ id: 11, title: "Lost by the app", unit: "cps" },
            description: "By signal and reason.",
          },
          promql(
            `sum by (signal, reason) (${rate(metric.telemetryDropped)})`,
            "{{signal}} {{reason}}",
          ),
        ),
        curves(
          {
            ...{ id: 12, title: "Kept by the lab's store", unit: "short" },
            description: "What the page can show, by kind.",
          },
          promql("sum by (kind) (lab_store_items)", "{{kind}}"),
        ),
      ],
    },
    {
      title: "Collector",
      panels: [
        curves(
          {
            ...{ id: 20, title: "Taken in", unit: "cps" },
            description: "Spans, log records and metric points accepted, by receiver.",
          },
          promql(
            `sum by (receiver) (${rate("otelcol_receiver_accepted_spans")})`,
            "spans {{receiver}}",
          ),
          promql(
            `sum by (receiver) (${rate("otelcol_receiver_accepted_log_records")})`,
            "logs {{receiver}}",
          ),
          promql(
            `sum by (receiver) (${rate("otelcol_receiver_accepted_metric_points")})`,
            "points {{receiver}}",
          ),
        ),
        curves(
          {
            ...{ id: 21, title: "Handed on", unit: "cps" },
            description: "Spans sent by exporter, and those that were refused or failed.",
          },
          promql(`sum by (exporter) (${rate("otelcol_exporter_sent_spans")})`, "{{exporter}}"),
          promql(
            firstOf(
              `sum by (exporter) (${rateFromFirst(failedSpans)})`,
              `0 * sum by (exporter) (${exporters})`,
            ),
            "{{exporter}} failed",
          ),
          promql(
            `sum by (receiver) (${rate("otelcol_receiver_refused_spans")})`,
            "{{receiver}} refused",
          ),
        ),
        curves(
          {
            ...{ id: 22, title: "Queues of the Collector", unit: "percentunit", max: 1 },
            description: "How full they are, by exporter: at 100 % new data is refused.",
            thresholds: { warn: 0.5, bad: 0.9 },
          },
          promql(
            "sum by (exporter, data_type) (otelcol_exporter_queue_size) / sum by (exporter, data_type) (otelcol_exporter_queue_capacity)",
            "{{exporter}} {{data_type}}",
          ),
        ),
        curves(
          {
            id: 23,
            title: "Memory of the Collector",
            unit: "bytes",
            description: "Its limiter refuses data at 240 MiB.",
          },
          promql("sum(otelcol_process_memory_rss)", "resident"),
        ),
        curves(
          {
            ...{ id: 24, title: "Spans by service", unit: "cps" },
            description: "As the Collector counts them.",
          },
          promql(
            `sum by (service_name) (${rateFromFirst(`traces_spanmetrics_calls_total{${service}}`)})`,
            "{{service_name}}",
          ),
        ),
        curves(
          {
            ...{ id: 25, title: "Span durations, p95", unit: "s" },
            description: "By service and kind of span. Dots lead to traces.",
          },
          promql(
            `histogram_quantile(0.95, sum by (le, service_name, span_kind) (${rateFromFirst(`traces_spanmetrics_latency_bucket{${service}}`)}))`,
            "{{service_name}} {{span_kind}}",
            { exemplars: true },
          ),
        ),
      ],
    },
    {
      title: "Tempo",
      panels: [
        curves(
          {
            ...{ id: 30, title: "Received by Tempo", unit: "cps" },
            description: "Spans received, and those discarded by reason.",
          },
          promql(`sum(${rate("tempo_distributor_spans_received_total")})`, "received"),
          promql(
            `sum by (reason) (${rate("tempo_discarded_spans_total")})`,
            "discarded {{reason}}",
          ),
        ),
        curves(
          {
            ...{ id: 31, title: "Requests of Tempo, p95", unit: "s" },
            description: "How long Tempo takes to answer, by route.",
          },
          promql(
            `histogram_quantile(0.95, sum by (le, route) (${rate("tempo_request_duration_seconds_bucket")}))`,
            "{{route}}",
          ),
        ),
        {
          ...{ id: 32, title: "Latest runs", type: "table", unit: "none", width: 8 },
          description: "Traces of scenarios; each opens.",
          targets: [{ language: "traceql", expr: '{ name =~ "scenario.run .*" }' }],
        },
      ],
    },
    {
      title: "Prometheus",
      panels: [
        curves(
          {
            ...{ id: 40, title: "Targets", unit: "bool_yes_no", max: 1 },
            description: "Whether each service's metrics can be read.",
          },
          promql("min by (job) (up)", "{{job}}"),
        ),
        curves(
          {
            id: 41,
            title: "Samples stored",
            unit: "cps",
            description: "Samples that Prometheus stores.",
          },
          promql(`sum(${rate("prometheus_tsdb_head_samples_appended_total")})`, "samples"),
        ),
        curves(
          {
            id: 42,
            title: "Series",
            unit: "short",
            description: "Series that Prometheus holds in memory.",
          },
          promql("sum(prometheus_tsdb_head_series)", "series"),
        ),
      ],
    },
  ],
};
