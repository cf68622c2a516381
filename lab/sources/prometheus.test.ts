import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { changeOf, familyOf } from "./metrics.ts";
import type { MetricSample } from "./openmetrics.ts";
import { openPrometheusSource } from "./prometheus.ts";
import { openPrometheusDouble, type PrometheusDouble } from "./testing/backend-doubles.ts";

let prometheus: PrometheusDouble;
beforeAll(async () => {
  prometheus = await openPrometheusDouble();
});
afterAll(() => prometheus.close());
beforeEach(() => prometheus.answerWith(200));

const source = openPrometheusSource(() => prometheus.url);
const counted = (value: number, labels: MetricSample["labels"] = {}): MetricSample => ({
  ...{ name: "orders_total", labels, value },
});
/** Every test has a job of its own, and times of now. */
let jobs = 0;
const newJob = () => ({ job: `job-${++jobs}`, now: Date.now() });

test("there is one reading per scrape, with labels as they were exposed, and readings give the change", async () => {
  const { job, now } = newJob();
  const families = [{ name: "orders", type: "counter" as const }];
  prometheus.scrape({ job, at: now - 3000, samples: [counted(90)] });
  prometheus.scrape({ job, at: now - 2000, families, samples: [counted(1, { kind: "a" })] });
  prometheus.scrape({ job, at: now - 1000, samples: [counted(4, { kind: "a" })] });
  const readings = await source.readings(job, ["orders_total"], now - 2000);
  expect(readings.map(({ readAt, samples }) => [now - readAt, samples])).toEqual([
    [2000, [counted(1, { kind: "a" })]],
    [1000, [counted(4, { kind: "a" })]],
  ]);
  const [first] = readings;
  expect(first && familyOf(first, "orders_total")).toMatchObject({ type: "counter" });
  expect(changeOf(readings, "orders_total")).toBe(3);
});

test("a process that was started anew in between counts from zero", async () => {
  const { job, now } = newJob();
  const started = (value: number): MetricSample => ({
    ...{ name: "process_start_time_seconds", labels: {}, value },
  });
  prometheus.scrape({ job, at: now - 2000, samples: [started(1), counted(5)] });
  prometheus.scrape({ job, at: now - 1000, samples: [started(2), counted(6)] });
  expect(changeOf(await source.readings(job, "all", now - 2000), "orders_total")).toBe(6);
});

test("what is no number is left out", async () => {
  const { job, now } = newJob();
  prometheus.scrape({ job, at: now, samples: [counted(Number.NaN), counted(2, { kind: "b" })] });
  expect((await source.readings(job, "all", now))[0]?.samples).toEqual([counted(2, { kind: "b" })]);
});

test("an exemplar is of the first scrape that can have seen it", async () => {
  const { job, now } = newJob();
  const exemplar = { labels: { trace_id: "a".repeat(32) }, value: 0.7 };
  prometheus.scrape({ job, at: now - 2000, samples: [counted(1)] });
  prometheus.scrape({ job, at: now - 1000, samples: [{ ...counted(2), exemplar }] });
  prometheus.scrape({ job, at: now, samples: [counted(2)] });
  const readings = await source.readings(job, ["orders_total"], now - 2000);
  expect(readings.map(({ samples }) => samples[0]?.exemplar)).toEqual([
    undefined,
    exemplar,
    undefined,
  ]);
});

test("the last scrape is the last that worked; a job that never was is not known", async () => {
  const { job, now } = newJob();
  prometheus.scrape({ job, at: now - 500, samples: [] });
  prometheus.scrape({ job, at: now, up: false });
  expect(await source.lastScrape(job)).toBe(now - 500);
  expect(await source.knows(job)).toBe(true);
  expect(await source.knows("nobody")).toBe(false);
  expect(await source.lastScrape("nobody")).toBeUndefined();
});

test("asks for the families of the names only, and for what tells processes apart", async () => {
  const { job, now } = newJob();
  const asked = prometheus.queries.length;
  await source.readings(job, ["orders_total", "wait_seconds_count", "size"], now - 1000);
  const [query = ""] = prometheus.queries.slice(asked);
  const pattern = new RegExp(`^(?:${/__name__=~"([^"]*)"/.exec(query)?.[1]})$`);
  const names = ["orders_total", "wait_seconds_bucket", "size", "process_start_time_seconds"];
  expect(names.filter((name) => pattern.test(name))).toEqual(names);
  expect(["orders_of_others_total", "resize"].filter((name) => pattern.test(name))).toEqual([]);
});

test("one that does not answer is named", async () => {
  prometheus.answerWith(503);
  const answers = [source.readings("x", "all", Date.now()), source.lastScrape("x")];
  for (const answer of answers) {
    await expect(answer).rejects.toMatchObject({ code: "prometheus-unreachable" });
  }
});
