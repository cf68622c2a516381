import { metric } from "#scenarios/names.ts";
import type { Dashboard, Panel } from "../dashboard.ts";
import { curves, growth, number, promql, quantile, rate, rateFromFirst } from "../promql.ts";
import { dashboardUid } from "../uids.ts";

type Vital = keyof typeof metric.webVital;

/** What each measures, and where it stops being good and starts being poor (https://web.dev/articles/vitals). */
const vitals: Readonly<Record<Vital, { means: string; warn: number; bad: number }>> = {
  LCP: { means: "Largest Contentful Paint: the main content is there", warn: 2.5, bad: 4 },
  INP: { means: "Interaction to Next Paint: the page reacted", warn: 0.2, bad: 0.5 },
  CLS: { means: "Cumulative Layout Shift: how much the page jumped", warn: 0.1, bad: 0.25 },
  FCP: { means: "First Contentful Paint: something is there", warn: 1.8, bad: 3 },
  TTFB: { means: "Time to First Byte: the server answered", warn: 0.8, bad: 1.8 },
};
const names = Object.keys(vitals) as readonly Vital[];
const unitOf = (name: Vital): Panel["unit"] => (name === "CLS" ? "none" : "s");
const buckets = (name: Vital): string => `${metric.webVital[name]}_bucket`;

/** What people's browsers measured. */
export const frontend: Dashboard = {
  uid: dashboardUid.frontend,
  description: "Core Web Vitals as pages measured them, and what went wrong in browsers.",
  variables: [],
  rows: [
    {
      title: "75th percentile in the window shown",
      panels: names.map((name, index) => {
        const { means, ...thresholds } = vitals[name];
        return number(
          {
            ...{ id: 1 + index, title: name, unit: unitOf(name), thresholds },
            description: `${means}. Three of four page views were at least as good.`,
          },
          promql(`histogram_quantile(0.75, sum by (le) (${growth(buckets(name))}))`, name, {
            instant: true,
          }),
        );
      }),
    },
    {
      title: "Over time",
      panels: names.map((name, index) => {
        const { means, ...thresholds } = vitals[name];
        return curves(
          {
            ...{ id: 10 + index, title: `${name}, p75`, unit: unitOf(name), thresholds },
            description: `${means}. Dots lead to the trace of the page.`,
          },
          promql(quantile(0.75, buckets(name)), name, { exemplars: true }),
        );
      }),
    },
    {
      title: "Pages",
      panels: [
        curves(
          {
            ...{ id: 20, title: "Measurements", unit: "cps" },
            description: "Vitals that pages reported per second.",
          },
          ...names.map((name) => promql(`sum(${rate(`${metric.webVital[name]}_count`)})`, name)),
        ),
        curves(
          {
            ...{ id: 21, title: "Spans of browsers, p95", unit: "s" },
            description: "By name, as the Collector measures them. Dots lead to traces.",
          },
          promql(
            `histogram_quantile(0.95, sum by (le, span_name) (${rateFromFirst('traces_spanmetrics_latency_bucket{service_name="lab-web"}')}))`,
            "{{span_name}}",
            { exemplars: true },
          ),
        ),
        {
          ...{ id: 22, title: "Failed in browsers", type: "table", unit: "none", width: 8 },
          description: "Traces with a failed span of a browser; each opens.",
          targets: [
            {
              language: "traceql",
              expr: '{ resource.service.name = "lab-web" && status = error }',
            },
          ],
        },
      ],
    },
  ],
};
