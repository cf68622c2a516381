import { Gauge } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { registry, type TelemetrySignal } from "../metrics.ts";

/** Shows what waits for its receiver: what an outage costs before anything is lost. */
export function exposeQueues(sizes: Readonly<Record<TelemetrySignal, () => number>>): void {
  new Gauge({
    name: metric.telemetryQueued,
    help: "Spans, log records and Sentry envelopes that wait to be delivered.",
    labelNames: ["signal"],
    registers: [registry],
    collect() {
      this.set({ signal: "span" }, sizes.span());
      this.set({ signal: "log" }, sizes.log());
      this.set({ signal: "sentry" }, sizes.sentry());
    },
  });
}
