import type { ServiceStatus } from "#lab/api/services.ts";

/** The service that takes in the lab's telemetry: the Collector where it is part of the lab, else the store. */
export function telemetryEntrance(
  services: readonly Pick<ServiceStatus, "id" | "state">[],
): "collector" | "store" {
  const row = services.find(({ id }) => id === "collector");
  return row === undefined || row.state === "unavailable" ? "store" : "collector";
}
