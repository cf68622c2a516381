import { metric } from "#scenarios/names.ts";
import type { Dashboard } from "../dashboard.ts";
import {
  curves,
  growthFromFirst,
  number,
  promql,
  quantile,
  rate,
  rateFromFirst,
} from "../promql.ts";
import { dashboardUid } from "../uids.ts";

const requests = `${metric.httpServerDuration}_count{http_route=~"$route"}`;
const failed = `${metric.httpServerDuration}_count{http_route=~"$route",http_response_status_code=~"5.."}`;
const buckets = `${metric.httpServerDuration}_bucket{http_route=~"$route"}`;

/** Rate, errors and duration of the app, with what explains them beside. */
export const overview: Dashboard = {
  uid: dashboardUid.overview,
  description: "How the app does: requests, errors, durations. Every run of a scenario is marked.",
  variables: [
    {
      name: "route",
      label: "Route",
      description: "Route templates of the app.",
      query: `label_values(${metric.httpServerDuration}_count, http_route)`,
    },
  ],
  rows: [
    {
      title: "At a glance",
      panels: [
        number(
          { id: 1, title: "Requests", description: "Requests answered per second.", unit: "reqps" },
          promql(`sum(${rateFromFirst(requests)})`, "requests"),
        ),
        number(
          {
            ...{ id: 2, title: "Failed", unit: "percentunit", max: 1 },
            description:
              "Share of the requests in the window shown that the app answered with 5xx.",
            thresholds: { warn: 0.01, bad: 0.1 },
          },
          promql(
            `(sum(${growthFromFirst(failed)}) or vector(0)) / sum(${growthFromFirst(requests)})`,
            "failed",
            {
              instant: true,
            },
          ),
        ),
        number(
          {
            ...{ id: 3, title: "p95", unit: "s", thresholds: { warn: 0.5, bad: 2 } },
            description: "95 % of the requests in the window shown were answered within this time.",
          },
          promql(`histogram_quantile(0.95, sum by (le) (${growthFromFirst(buckets)}))`, "p95", {
            instant: true,
          }),
        ),
        number(
          {
            ...{ id: 4, title: "Scrape targets up", unit: "percentunit", max: 1 },
            description: "Share of the services that Prometheus can read metrics from.",
            thresholds: { warn: 1, bad: 0.8, below: true },
          },
          promql("avg(up)", "up"),
        ),
        number(
          {
            ...{ id: 5, title: "Scenarios run", unit: "none" },
            description: "Scenarios, by mode, that have been run since the store's oldest span.",
          },
          promql(`count(${metric.runStarted})`, "scenarios", { instant: true }),
        ),
        number(
          {
            ...{ id: 6, title: "Starts of the app", unit: "none" },
            description: "How often the app's process was replaced in the window shown.",
            thresholds: { warn: 1, bad: 3 },
          },
          promql(`sum(changes(process_start_time_seconds{job="server"}[$__range]))`, "starts", {
            instant: true,
          }),
        ),
      ],
    },
    {
      title: "Requests, errors, durations per route",
      panels: [
        curves(
          {
            ...{ id: 10, title: "Requests by route", unit: "reqps" },
            description: "Requests answered per second, by method and route template.",
          },
          promql(
            `sum by (http_request_method, http_route) (${rateFromFirst(requests)})`,
            "{{http_request_method}} {{http_route}}",
          ),
        ),
        curves(
          {
            ...{ id: 11, title: "Errors by route", unit: "reqps" },
            description: "Answers with a status of 400 and above per second.",
          },
          promql(
            `sum by (http_route, http_response_status_code) (${rateFromFirst(`${metric.httpServerDuration}_count{http_route=~"$route",http_response_status_code=~"[45].."}`)})`,
            "{{http_response_status_code}} {{http_route}}",
          ),
        ),
        curves(
          {
            ...{ id: 12, title: "p95 by route", unit: "s" },
            description:
              "95 % were answered within this time. Each dot is a request: it leads to its trace.",
          },
          promql(quantile(0.95, buckets, ["http_route"]), "{{http_route}}", { exemplars: true }),
        ),
        {
          ...{ id: 13, title: "Durations", type: "heatmap", unit: "short", width: 12 },
          description: "How many requests took how long. Dots lead to traces.",
          targets: [
            promql(`sum by (le) (${rateFromFirst(buckets)})`, "{{le}}", {
              heatmap: true,
              exemplars: true,
            }),
          ],
        },
        {
          ...{ id: 14, title: "Service map", type: "nodeGraph", unit: "none", width: 12 },
          description: "Who calls whom, as the Collector sees it in the spans.",
          targets: [{ language: "service map" }],
        },
      ],
    },
    {
      title: "What explains them",
      panels: [
        curves(
          {
            ...{ id: 20, title: "Database operations, p95", unit: "s" },
            description:
              "Duration of the app's operations, by system and kind. Dots lead to traces.",
          },
          promql(
            quantile(0.95, `${metric.dbOperationDuration}_bucket`, [
              "db_system_name",
              "db_operation_name",
            ]),
            "{{db_system_name}} {{db_operation_name}}",
            { exemplars: true },
          ),
        ),
        curves(
          {
            ...{ id: 21, title: "Outgoing calls", unit: "cps" },
            description:
              "Calls of the app to other services, by outcome; refused ones were not made.",
          },
          promql(
            `sum by (peer, outcome) (${rateFromFirst(metric.outboundCalls)})`,
            "{{peer}} {{outcome}}",
          ),
        ),
        curves(
          {
            ...{
              id: 22,
              title: "Event loop delay",
              unit: "s",
              thresholds: { warn: 0.1, bad: 0.5 },
            },
            description: "Highest delay of the last seconds: nothing was answered so long.",
          },
          promql("max(nodejs_eventloop_lag_max_seconds)", "highest"),
          promql(`sum(${rate(metric.eventLoopBlocked)})`, "share of time blocked"),
        ),
        curves(
          {
            ...{ id: 23, title: "Memory of the app", unit: "bytes" },
            description: "What the process holds, its heap, and the heap of the exporting process.",
          },
          promql(`sum(process_resident_memory_bytes{job="server"})`, "resident"),
          promql("sum(nodejs_heap_size_used_bytes)", "heap"),
          promql(`sum(${metric.exporterHeapUsed})`, "heap of the exporter"),
        ),
        {
          ...{ id: 24, title: "Failed requests", type: "table", unit: "none", width: 8 },
          description: "Traces in which the app failed; each opens.",
          targets: [
            {
              language: "traceql",
              expr: '{ resource.service.name = "lab-server" && kind = server && status = error }',
            },
          ],
        },
        {
          ...{ id: 25, title: "Warnings and errors", type: "logs", unit: "none", width: 8 },
          description:
            "What the app logged above the level of information; each line leads to its trace.",
          targets: [
            {
              language: "logql",
              expr: '{service_name="lab-server"} | severity_number >= 13',
            },
          ],
        },
      ],
    },
  ],
};
