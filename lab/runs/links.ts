import { type RunRecord, routes } from "../api.ts";

/** Where else the run's telemetry can be looked at. */
export const linksOf = (traceIds: readonly string[]): RunRecord["links"] =>
  traceIds.map((traceId, index) => ({
    label: index === 0 ? "Raw trace (OTLP JSON)" : `Raw trace ${index + 1} (OTLP JSON)`,
    href: routes.trace(traceId),
  }));
