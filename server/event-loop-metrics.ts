import { monitorEventLoopDelay } from "node:perf_hooks";
import { Counter, Gauge } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { registry } from "./metrics.ts";

const resolutionMs = 10;
const sliceMs = 1000;
const lagMax = "nodejs_eventloop_lag_max_seconds";

/**
 * Shows how long the event loop stood still. The default gauges start anew with every reading, so
 * of two readers only one sees a block; here the highest lag stays for one to two seconds, and the
 * total only grows.
 */
export function watchEventLoop(): void {
  const slice = monitorEventLoopDelay({ resolution: resolutionMs });
  const whole = monitorEventLoopDelay({ resolution: resolutionMs });
  slice.enable();
  whole.enable();
  let before = 0;
  setInterval(() => {
    before = slice.max;
    slice.reset();
  }, sliceMs).unref();
  registry.removeSingleMetric(lagMax);
  new Gauge({
    name: lagMax,
    help: "Highest event loop delay of the last one to two seconds.",
    registers: [registry],
    collect() {
      this.set(Math.max(before, slice.max) / 1e9);
    },
  });
  let seen = 0;
  new Counter({
    name: metric.eventLoopBlocked,
    help: "By how much timers were late, in total.",
    registers: [registry],
    collect() {
      const { count, mean } = whole;
      if (count === 0) return;
      const late = Math.max(seen, (count * (mean - resolutionMs * 1e6)) / 1e9);
      this.inc(late - seen);
      seen = late;
    },
  });
}
