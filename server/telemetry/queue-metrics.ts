import { Gauge } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { registry } from "../metrics.ts";

/** Shows how many spans and log records wait for their receiver: what an outage costs before anything is lost. */
export function exposeQueues(sizes: Readonly<Record<"span" | "log", () => number>>): void {
  new Gauge({
    name: metric.telemetryQueued,
    help: "Spans and log records that wait to be delivered.",
    labelNames: ["signal"],
    registers: [registry],
    collect() {
      this.set({ signal: "span" }, sizes.span());
      this.set({ signal: "log" }, sizes.log());
    },
  });
}
