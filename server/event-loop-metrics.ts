import { Counter, Gauge } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { registry } from "./metrics.ts";

const tickMs = 10;
/** Timers are late by a millisecond or two on an idle machine, which is no block. */
const grainMs = 3;
const sliceMs = 1000;
const lagMax = "nodejs_eventloop_lag_max_seconds";

/**
 * Shows how long the event loop stood still, by a timer of its own. Node's delay histogram cannot be
 * used: the default gauges start it anew with every reading, so that of two readers only one sees a
 * block, and a block that begins before the first tick after that is in no reading at all
 * (https://nodejs.org/api/perf_hooks.html#histogramreset). Here the total only grows, and the
 * highest lag stays for one to two seconds.
 */
export function watchEventLoop(): void {
  registry.removeSingleMetric(lagMax);
  new Gauge({
    name: lagMax,
    help: "Highest event loop delay of the last one to two seconds.",
    registers: [registry],
    collect() {
      lookAt(performance.now());
      this.set(Math.max(before, highest) / 1000);
    },
  });
  const blocked = new Counter({
    name: metric.eventLoopBlocked,
    help: "By how much timers were late, in total.",
    registers: [registry],
    collect: () => lookAt(performance.now()),
  });

  let due = performance.now() + tickMs;
  /** Of the tick that is due, in milliseconds: what the total has of it already. */
  let counted = 0;
  let before = 0;
  let highest = 0;
  let sliceEnds = due + sliceMs;

  /** A reading may come between a block and the tick that it held up. */
  function lookAt(now: number): void {
    if (now > sliceEnds) {
      before = highest;
      highest = 0;
      sliceEnds = now + sliceMs;
    }
    const late = now - due;
    if (late < grainMs || late <= counted) return;
    blocked.inc((late - counted) / 1000);
    counted = late;
    highest = Math.max(highest, late);
  }

  function tick(): void {
    const now = performance.now();
    lookAt(now);
    due = now + tickMs;
    counted = 0;
    setTimeout(tick, tickMs).unref();
  }
  setTimeout(tick, tickMs).unref();
}
