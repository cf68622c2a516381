import type { LogsBody } from "#lab/api/logs.ts";
import type { MetricsBody } from "#lab/api/metrics.ts";
import type { SentryBody, SentryItem } from "#lab/api/sentry.ts";
import type { ForwardingStats, StatsBody } from "../contract.ts";
import type { Feed } from "../feed.ts";
import { findLogs, type LogQuery, severities } from "../log-read.ts";
import { findMetrics } from "../metric-read.ts";
import { redMetrics } from "../red-metrics.ts";
import { findSentryItems } from "../sentry-read.ts";
import type { Store } from "../store.ts";
import { sendJson } from "./answer.ts";
import { checkedTraceId, labTraceRoutes } from "./lab-trace-routes.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";
import { searchRoute } from "./search-route.ts";
import { tagNamesRoute, tagValuesRoute } from "./tempo-tag-routes.ts";

const sentryKinds: readonly SentryItem["kind"][] = [
  "event",
  "log",
  "transaction",
  "session",
  "client_report",
  "metric",
];

/** What the lab itself reads; see `contract.ts`. */
export function labRoutes(
  store: Store,
  feed: Feed,
  forwarding: () => ForwardingStats | null,
): readonly Route[] {
  const { index } = store;
  return [
    ...labTraceRoutes(index),
    searchRoute(store, /^\/lab\/search$/),
    tagNamesRoute(store, /^\/lab\/tags$/),
    tagValuesRoute(store, /^\/lab\/tags\/([^/]+)$/),
    {
      method: "GET",
      path: /^\/lab\/red$/,
      handle: ({ response, query }) => {
        const seconds = Number(query.get("seconds") ?? 300);
        if (!(seconds > 0 && seconds <= 1e9))
          throw new Refusal(400, "bad_query", "The query parameter seconds is out of range.", {
            hint: "Use a positive number of seconds, e.g. 300.",
          });
        const asked = { seconds, service: query.get("service") ?? undefined, limit: limit(query) };
        sendJson(response, redMetrics(index, asked, Date.now()));
      },
    },
    {
      method: "GET",
      path: /^\/lab\/runs\/([0-9A-Za-z._-]{1,128})\/traces$/,
      handle: ({ response, params }) => {
        const traces = index.runs.traces(index.runs.find(params[0] ?? ""));
        sendJson(response, { traceIds: [...traces].map(index.traces.hex) });
      },
    },
    {
      method: "GET",
      path: /^\/lab\/logs$/,
      handle: ({ response, query }) => {
        const severity = oneOf(query, "severity", severities);
        const asked: LogQuery = {
          trace: optionalTraceId(query),
          run: query.get("run") ?? undefined,
          service: query.get("service") ?? undefined,
          severity,
          text: query.get("text") ?? undefined,
          limit: limit(query),
        };
        sendJson(response, { logs: findLogs(index, asked) } satisfies LogsBody);
      },
    },
    {
      method: "GET",
      path: /^\/lab\/sentry$/,
      handle: ({ response, query }) => {
        const items = findSentryItems(index, {
          trace: optionalTraceId(query),
          run: query.get("run") ?? undefined,
          kind: oneOf(query, "kind", sentryKinds),
          limit: limit(query),
        });
        sendJson(response, { items } satisfies SentryBody);
      },
    },
    {
      method: "GET",
      path: /^\/lab\/metrics$/,
      handle: ({ response, query }) => {
        const points = findMetrics(index, {
          name: query.get("name") ?? undefined,
          labels: labels(query),
          from: time(query, "from"),
          to: time(query, "to"),
          run: query.get("run") ?? undefined,
          limit: limit(query),
        });
        sendJson(response, { points } satisfies MetricsBody);
      },
    },
    {
      method: "GET",
      path: /^\/lab\/stats$/,
      handle: ({ response }) =>
        sendJson(response, { ...store.stats(), forwarding: forwarding() } satisfies StatsBody),
    },
    {
      method: "GET",
      path: /^\/lab\/feed$/,
      handle: ({ response, query }) => {
        const filter = { traceId: optionalTraceId(query), runId: query.get("run") ?? undefined };
        response.writeHead(200, {
          "content-type": "application/x-ndjson",
          "cache-control": "no-store",
          "x-content-type-options": "nosniff",
        });
        // A message must not wait for the acknowledgement of the one before.
        response.socket?.setNoDelay(true);
        const reader = {
          write: (line: string) => response.write(line),
          pending: () => response.writableLength,
          destroy: () => response.destroy(),
        };
        const leave = feed.join(reader, filter);
        response.on("close", leave);
      },
    },
  ];
}

function optionalTraceId(query: URLSearchParams): string | undefined {
  const text = query.get("trace");
  return text === null ? undefined : checkedTraceId(text);
}

function oneOf<const T extends string>(
  query: URLSearchParams,
  name: string,
  allowed: readonly T[],
): T | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const found = allowed.find((each) => each === text);
  if (found !== undefined) return found;
  throw new Refusal(
    400,
    "bad_query",
    `The query parameter ${name} has a value that is not known.`,
    {
      hint: `Use one of ${allowed.join(", ")}.`,
    },
  );
}

const labelPrefix = "label.";
const labels = (query: URLSearchParams): readonly (readonly [string, string])[] =>
  [...query]
    .filter(([name]) => name.startsWith(labelPrefix))
    .map(([name, value]) => [name.slice(labelPrefix.length), value]);

/** Milliseconds since the epoch. */
function time(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (/^\d{1,15}(\.\d{1,6})?$/.test(text)) return Number(text);
  throw new Refusal(400, "bad_query", `The query parameter ${name} is no time.`, {
    hint: "Use milliseconds since the epoch, e.g. 1795357945758.",
  });
}

/** Between 1 and 10,000; 1,000 when not asked for. */
function limit(query: URLSearchParams): number {
  const text = query.get("limit");
  if (text === null) return 1000;
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= 10_000) return number;
  throw new Refusal(400, "bad_query", "The query parameter limit is out of range.", {
    hint: "Use a whole number from 1 to 10000.",
  });
}
