import { parseTraceql } from "../traceql/parser.ts";
import { TraceqlError } from "../traceql/syntax.ts";
import { Refusal } from "./refusal.ts";
import type { Route } from "./route.ts";

/**
 * Where a data source sends queries such as `{} | rate()`
 * (https://grafana.com/docs/tempo/latest/api_docs/#traceql-metrics). They are refused in a way that
 * its user understands: the store answers searches only.
 */
export const tempoMetricsRoutes: readonly Route[] = [
  {
    method: "GET",
    path: /^\/api\/metrics\/query(?:_range)?$/,
    handle: ({ query }) => {
      throw new Refusal(400, "bad_traceql", `invalid TraceQL query: ${complaint(query)}`, {
        hint: "Search for the spans instead, or ask Prometheus for rates and durations.",
      });
    },
  },
];

function complaint(query: URLSearchParams): string {
  try {
    parseTraceql(query.get("q") ?? query.get("query") ?? "");
  } catch (error) {
    if (error instanceof TraceqlError) return error.message;
    throw error;
  }
  return "no metrics function ends it, and this store would not support one: it answers searches, not metrics queries";
}
