import { metric } from "#scenarios/names.ts";
import type { Dashboard } from "../dashboard.ts";
import { curves, growth, number, promql, quantile, rate, rateFromFirst } from "../promql.ts";
import { dashboardUid } from "../uids.ts";

const hits = growth("redis_keyspace_hits_total");
const misses = growth("redis_keyspace_misses_total");

/** Valkey by its exporter, and the app's cache on top of it. */
export const valkey: Dashboard = {
  uid: dashboardUid.valkey,
  description: "Sessions and cache: Valkey as it says itself, and as the app uses it.",
  variables: [
    {
      name: "cmd",
      label: "Command",
      description: "Commands that Valkey was asked to run.",
      query: "label_values(redis_commands_total, cmd)",
    },
  ],
  rows: [
    {
      title: "At a glance",
      panels: [
        number(
          {
            ...{ id: 1, title: "Answers", unit: "bool_yes_no" },
            description: "Whether the exporter reaches Valkey.",
            thresholds: { warn: 1, bad: 1, below: true },
          },
          promql("min(redis_up)", "up"),
        ),
        number(
          {
            ...{ id: 2, title: "Hits", unit: "percentunit", max: 1 },
            description: "Share of the keys asked for in the window shown that were there.",
            thresholds: { warn: 0.8, bad: 0.3, below: true },
          },
          promql(`sum(${hits}) / (sum(${hits}) + sum(${misses}))`, "hits", { instant: true }),
        ),
        number(
          { id: 3, title: "Keys", unit: "short", description: "Keys of all databases." },
          promql("sum(redis_db_keys)", "keys"),
        ),
        number(
          {
            ...{ id: 4, title: "Evicted", unit: "none", thresholds: { warn: 1, bad: 100 } },
            description: "Keys removed for want of memory, in the window shown.",
          },
          promql(`sum(${growth("redis_evicted_keys_total")})`, "evicted", { instant: true }),
        ),
        number(
          { id: 5, title: "Memory", unit: "bytes", description: "Memory that the data takes." },
          promql("sum(redis_memory_used_bytes)", "used"),
        ),
        number(
          { id: 6, title: "Clients", unit: "none", description: "Connections open." },
          promql("sum(redis_connected_clients)", "clients"),
        ),
      ],
    },
    {
      title: "The app's side",
      panels: [
        curves(
          {
            ...{ id: 10, title: "Reads of the cache", unit: "ops", stacked: true },
            description:
              "How reads ended. Coalesced ones missed and waited for the load of another.",
          },
          promql(`sum by (outcome) (${rateFromFirst(metric.cacheRequests)})`, "{{outcome}}"),
        ),
        curves(
          {
            ...{ id: 11, title: "Commands of the app, p95", unit: "s" },
            description: "Duration of the app's commands. Dots lead to traces.",
          },
          promql(
            quantile(0.95, `${metric.dbOperationDuration}_bucket{db_system_name="redis"}`, [
              "db_operation_name",
            ]),
            "{{db_operation_name}}",
            { exemplars: true },
          ),
        ),
        curves(
          {
            ...{ id: 12, title: "Failed commands of the app", unit: "ops" },
            description: "By the prefix of Valkey's reply or the driver's code.",
          },
          promql(
            `sum by (error_type) (${rateFromFirst(`${metric.dbOperationDuration}_count{db_system_name="redis",error_type!=""}`)})`,
            "{{error_type}}",
          ),
        ),
      ],
    },
    {
      title: "The server's side",
      panels: [
        curves(
          { id: 20, title: "Commands", unit: "ops", description: "Commands run per second." },
          promql(`sum by (cmd) (${rate('redis_commands_total{cmd=~"$cmd"}')})`, "{{cmd}}"),
        ),
        curves(
          {
            ...{ id: 21, title: "Time per command", unit: "s" },
            description: "Mean time that Valkey spent on a command.",
          },
          promql(
            `sum by (cmd) (${rate('redis_commands_duration_seconds_total{cmd=~"$cmd"}')}) / sum by (cmd) (${rate('redis_commands_total{cmd=~"$cmd"}')})`,
            "{{cmd}}",
          ),
        ),
        curves(
          {
            ...{ id: 22, title: "Hits and misses", unit: "ops" },
            description: "Keys found and not found by reading commands.",
          },
          promql(`sum(${rate("redis_keyspace_hits_total")})`, "hits"),
          promql(`sum(${rate("redis_keyspace_misses_total")})`, "misses"),
        ),
        curves(
          {
            ...{ id: 23, title: "Memory", unit: "bytes" },
            description: "Memory in use against the limit; a limit of 0 is none.",
          },
          promql("sum(redis_memory_used_bytes)", "used"),
          promql("sum(redis_memory_max_bytes)", "limit"),
          promql("sum(redis_memory_used_rss_bytes)", "of the process"),
        ),
        curves(
          {
            ...{ id: 24, title: "Keys removed", unit: "ops" },
            description: "Evicted for want of memory, and expired as they should.",
          },
          promql(`sum(${rate("redis_evicted_keys_total")})`, "evicted"),
          promql(`sum(${rate("redis_expired_keys_total")})`, "expired"),
        ),
        curves(
          {
            ...{ id: 25, title: "Network", unit: "Bps" },
            description: "Bytes received and sent per second.",
          },
          promql(`sum(${rate("redis_net_input_bytes_total")})`, "received"),
          promql(`sum(${rate("redis_net_output_bytes_total")})`, "sent"),
        ),
        curves(
          {
            ...{ id: 26, title: "Clients", unit: "none" },
            description: "Connections open, and those that wait in a blocking command.",
          },
          promql("sum(redis_connected_clients)", "connected"),
          promql("sum(redis_blocked_clients)", "blocked"),
        ),
        curves(
          {
            ...{ id: 27, title: "Channels", unit: "none" },
            description: "Channels of publish and subscribe with a subscriber.",
          },
          promql("sum(redis_pubsub_channels)", "channels"),
        ),
        curves(
          {
            ...{ id: 28, title: "Slow log", unit: "none" },
            description: "Commands in Valkey's log of slow ones.",
          },
          promql("sum(redis_slowlog_length)", "slow commands"),
        ),
      ],
    },
  ],
};
