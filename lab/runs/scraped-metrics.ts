import { setTimeout as delay } from "node:timers/promises";
import type { MetricReading } from "../sources/metrics.ts";
import type { PrometheusSource } from "../sources/prometheus.ts";
import type { MetricWatch } from "./metric-watch.ts";

/** All in milliseconds. */
export interface ScrapePatience {
  /** Longest wait for a scrape that begins after a moment: more than two of Prometheus's intervals. */
  readonly withinMs: number;
  readonly pollMs: number;
}
const usualPatience: ScrapePatience = { withinMs: 8_000, pollMs: 100 };

/** Prometheus moves the time of a scrape by up to so much, to make its samples smaller. */
const toleranceMs = 2;

/**
 * Watches metrics as Prometheus has them: from the first scrape after now, which is waited for, to
 * the first one after the end.
 */
export async function watchScrapes(
  prometheus: PrometheusSource,
  job: string,
  names: readonly string[] | "all",
  { withinMs, pollMs }: ScrapePatience = usualPatience,
): Promise<MetricWatch> {
  const closing = new AbortController();
  let readings: readonly MetricReading[] = [];
  let ended = false;
  let failed = false;

  /** When the first scrape after the moment began; undefined when there was none in time. */
  async function scrapeAfter(moment: number): Promise<number | undefined> {
    const until = performance.now() + withinMs;
    while (!closing.signal.aborted && performance.now() < until) {
      const last = await prometheus.lastScrape(job);
      if (last !== undefined && last > moment + toleranceMs) return last;
      await delay(pollMs, undefined, { signal: closing.signal }).catch(() => undefined);
    }
    return undefined;
  }

  async function readFrom(since: number | undefined, moment: number): Promise<void> {
    try {
      const at = await scrapeAfter(moment);
      failed = at === undefined;
      if (at !== undefined) readings = await prometheus.readings(job, names, since ?? at);
    } catch {
      failed = true;
    }
  }

  await readFrom(undefined, Date.now());
  const [baseline = null] = readings;
  return {
    by: "prometheus",
    evidence: () => ({
      baseline,
      during: ended ? readings.slice(1, -1) : [],
      latest: ended ? (readings.at(-1) ?? null) : null,
    }),
    reachable: () => baseline !== null && !failed,
    readAfterEnd: async () => {
      if (baseline === null) return;
      await readFrom(baseline.readAt, Date.now());
      ended ||= !failed;
    },
    close: () => closing.abort(),
  };
}
