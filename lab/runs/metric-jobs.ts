import type { ServiceId } from "../services/ids.ts";

/**
 * Name of the job by which Prometheus scrapes what a service tells, in `compose/prometheus/prometheus.yml`:
 * the service's own, but for those that tell of somebody else.
 */
export function jobOf(service: ServiceId): string {
  switch (service) {
    case "store":
      return "postgres";
    case "collector":
      return "telemetry";
    default:
      return service;
  }
}
