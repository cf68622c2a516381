import { Histogram } from "prom-client";
import { metric } from "#scenarios/names.ts";
import { exemplar, registry } from "../metrics.ts";

/** The five that are measured (https://web.dev/articles/vitals). */
export type VitalName = keyof typeof metric.webVital;

const seconds = [0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1, 1.8, 2.5, 3, 4, 6, 10];
const histogram = (name: VitalName, help: string, buckets: readonly number[]) =>
  new Histogram<string>({
    name: metric.webVital[name],
    help,
    buckets: [...buckets],
    enableExemplars: true,
    registers: [registry],
  });

const histograms: Readonly<Record<VitalName, Histogram<string>>> = {
  LCP: histogram("LCP", "Largest Contentful Paint as pages measured it.", seconds),
  INP: histogram("INP", "Interaction to Next Paint as pages measured it.", seconds),
  FCP: histogram("FCP", "First Contentful Paint as pages measured it.", seconds),
  TTFB: histogram("TTFB", "Time to First Byte as pages measured it.", seconds),
  CLS: histogram(
    "CLS",
    "Cumulative Layout Shift as pages measured it.",
    [0.01, 0.05, 0.1, 0.15, 0.25, 0.5, 1],
  ),
};

/** Observes one vital with the active span as exemplar. @param value milliseconds; of CLS a score. */
export function observeVital(name: VitalName, value: number): void {
  histograms[name].observe({
    labels: {},
    value: name === "CLS" ? value : value / 1000,
    ...exemplar(),
  });
}
