import { expect, test } from "vitest";
import type { MetricReading } from "../sources/metrics.ts";
import { parseExposition } from "../sources/openmetrics.ts";
import { metricChanges, metricLights } from "./metric-changes.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "00f067aa0ba902b7";

const reading = (readAt: number, ...lines: readonly string[]): MetricReading => ({
  readAt,
  ...parseExposition(
    [
      "# TYPE jobs counter",
      "# TYPE took_seconds histogram",
      "# TYPE open gauge",
      ...lines,
      "# EOF",
      "",
    ].join("\n"),
    "openmetrics",
  ),
});

const changes = (baseline: MetricReading, latest: MetricReading) =>
  metricChanges({ traceIds: [traceId], metrics: { baseline, during: [], latest } });

test("what did not change is left out; a series that is new counts from 0", () => {
  const { read, series } = changes(
    reading(1000, 'jobs_total{kind="a"} 3', "open 2"),
    reading(2000, 'jobs_total{kind="a"} 3', 'jobs_total{kind="b"} 4', "open 5"),
  );
  expect(read).toBe(true);
  expect(series.map(({ name, labels, points }) => ({ name, labels, points }))).toEqual([
    {
      name: "jobs_total",
      labels: { kind: "b" },
      points: [
        { at: 1000, value: 0 },
        { at: 2000, value: 4 },
      ],
    },
    {
      name: "open",
      labels: {},
      points: [
        { at: 1000, value: 2 },
        { at: 2000, value: 5 },
      ],
    },
  ]);
});

test("an exemplar counts for its histogram when it names a trace of the run, and lights its lamp", () => {
  const withExemplar = (trace: string) =>
    changes(
      reading(1000, 'took_seconds_bucket{le="+Inf"} 0', "took_seconds_count 0"),
      reading(
        2000,
        `took_seconds_bucket{le="+Inf"} 1 # {trace_id="${trace}",span_id="${spanId}"} 0.5`,
        "took_seconds_count 1",
      ),
    );
  const own = withExemplar(traceId);
  expect(own.series).toMatchObject([
    { name: "took_seconds_count", exemplar: { traceId, spanId, value: 0.5 } },
  ]);
  expect([...metricLights(own)]).toEqual(["metric", "exemplar"]);
  expect([...metricLights(withExemplar("f".repeat(32)))]).toEqual(["metric"]);
});

test("a run that no metric was read for says so", () => {
  const none = metricChanges({
    traceIds: [traceId],
    metrics: { baseline: null, during: [], latest: null },
  });
  expect(none).toEqual({ read: false, series: [] });
  expect([...metricLights(none)]).toEqual([]);
});
