import type { Dashboard } from "../dashboard.ts";
import {
  curves,
  firstOf,
  growthFromFirst,
  number,
  promql,
  rateFromFirst,
  renamed,
} from "../promql.ts";
import { dashboardUid } from "../uids.ts";

/** MinIO's own metrics (version 3), then those of the lab's stand-in: by API, whatever the label is called. */
const byApi = (real: string, standIn: string): string =>
  firstOf(
    `sum by (api) (${renamed(rateFromFirst(`${real}{type="s3"}`), "api", "name")})`,
    `sum by (api) (${renamed(rateFromFirst(standIn), "api", "name")})`,
  );
const grown = (real: string, standIn: string): string =>
  firstOf(...[`${real}{type="s3"}`, standIn].map((series) => `sum(${growthFromFirst(series)})`));
const perSecond = (real: string, standIn: string): string =>
  firstOf(...[`${real}{type="s3"}`, standIn].map((series) => `sum(${rateFromFirst(series)})`));

const requests = ["minio_api_requests_total", "lab_s3_requests_total"] as const;
const refused = [
  "minio_api_requests_4xx_errors_total",
  "lab_s3_requests_4xx_errors_total",
] as const;
const failed = ["minio_api_requests_5xx_errors_total", "lab_s3_requests_5xx_errors_total"] as const;
const sent = ["minio_api_requests_traffic_sent_bytes", "lab_s3_traffic_sent_bytes_total"] as const;
const received = [
  "minio_api_requests_traffic_received_bytes",
  "lab_s3_traffic_received_bytes_total",
] as const;

/** MinIO's counters of failures appear with the first of them: until then it is none for each API that was asked. */
const orZero = (expr: string): string => firstOf(expr, `0 * (${byApi(...requests)})`);
const countOrZero = (...counter: Parameters<typeof grown>): string =>
  firstOf(grown(...counter), `0 * (${grown(...requests)})`);

const noTraffic = `0 * (${perSecond(...requests)})`;

/** MinIO, or the stand-in for it. */
export const objectStorage: Dashboard = {
  uid: dashboardUid.objectStorage,
  description: "The product images' storage: MinIO's own metrics, or those of the lab's stand-in.",
  variables: [],
  rows: [
    {
      title: "At a glance",
      panels: [
        number(
          { id: 1, title: "Requests", unit: "reqps", description: "S3 requests per second." },
          promql(perSecond(...requests), "requests"),
        ),
        number(
          {
            ...{ id: 2, title: "Refused", unit: "none", thresholds: { warn: 1, bad: 50 } },
            description:
              "Answers with 4xx in the window shown: a missing key, a link past its end.",
          },
          promql(countOrZero(...refused), "refused", { instant: true }),
        ),
        number(
          {
            ...{ id: 3, title: "Failed", unit: "none", thresholds: { warn: 1, bad: 10 } },
            description: "Answers with 5xx in the window shown: throttled, or broken.",
          },
          promql(countOrZero(...failed), "failed", { instant: true }),
        ),
        number(
          {
            id: 4,
            title: "On disk",
            unit: "bytes",
            description: "Bytes of the objects, or of the drives in use.",
          },
          promql(
            firstOf("sum(minio_system_drive_used_bytes)", "sum(lab_s3_stored_bytes)"),
            "bytes",
          ),
        ),
      ],
    },
    {
      title: "Requests",
      panels: [
        curves(
          {
            id: 10,
            title: "Requests by API",
            unit: "reqps",
            description: "S3 requests answered per second.",
          },
          promql(byApi(...requests), "{{api}}"),
        ),
        curves(
          {
            ...{ id: 11, title: "Refused by API", unit: "reqps" },
            description: "Answers with 4xx per second.",
          },
          promql(orZero(byApi(...refused)), "{{api}}"),
        ),
        curves(
          {
            ...{ id: 12, title: "Failed by API", unit: "reqps" },
            description: "Answers with 5xx per second.",
          },
          promql(orZero(byApi(...failed)), "{{api}}"),
        ),
        curves(
          {
            id: 13,
            title: "Traffic",
            unit: "Bps",
            description: "Bytes of bodies received and sent.",
          },
          promql(firstOf(perSecond(...received), noTraffic), "received"),
          promql(firstOf(perSecond(...sent), noTraffic), "sent"),
        ),
        curves(
          {
            ...{ id: 14, title: "Calls of the app, p95", unit: "s" },
            description:
              "Spans of the app's S3 client, as the Collector measures them. Dots lead to traces.",
          },
          promql(
            `histogram_quantile(0.95, sum by (le, span_name) (${rateFromFirst('traces_spanmetrics_latency_bucket{service_name="lab-server",span_name=~"S3[.].+"}')}))`,
            "{{span_name}}",
            { exemplars: true },
          ),
        ),
        {
          ...{ id: 15, title: "Failed calls", type: "table", unit: "none", width: 8 },
          description: "Traces with a failed call to the storage; each opens.",
          targets: [
            { language: "traceql", expr: '{ span.rpc.system = "aws-api" && status = error }' },
          ],
        },
      ],
    },
    {
      title: "MinIO itself",
      panels: [
        curves(
          {
            ...{ id: 20, title: "Time to first byte, p95", unit: "s" },
            description: "By API. MinIO only.",
          },
          promql(
            `histogram_quantile(0.95, sum by (le, api) (${renamed(rateFromFirst('minio_api_requests_ttfb_seconds_distribution{type="s3"}'), "api", "name")}))`,
            "{{api}}",
          ),
        ),
        curves(
          {
            id: 21,
            title: "Memory",
            unit: "bytes",
            description: "Memory of MinIO's process. MinIO only.",
          },
          promql("sum(minio_system_process_resident_memory_bytes)", "resident"),
        ),
        curves(
          {
            id: 22,
            title: "Drives online",
            unit: "none",
            description: "Drives that work. MinIO only.",
          },
          promql("sum(minio_system_drive_online_count)", "online"),
        ),
      ],
    },
  ],
};
