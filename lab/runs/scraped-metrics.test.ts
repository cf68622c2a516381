import { afterAll, beforeAll, expect, test } from "vitest";
import { openPrometheusSource } from "../sources/prometheus.ts";
import { openPrometheusDouble, type PrometheusDouble } from "../sources/testing/backend-doubles.ts";
import { watchScrapes } from "./scraped-metrics.ts";

let prometheus: PrometheusDouble;
beforeAll(async () => {
  prometheus = await openPrometheusDouble();
});
afterAll(() => prometheus.close());

let jobs = 0;
/** A job that was scraped before anybody watched. */
function scraped() {
  const job = `job-${++jobs}`;
  const scrape = (value: number, at = Date.now() + 50, up = true) => {
    const samples = up ? [{ name: "orders_total", labels: {}, value }] : [];
    prometheus.scrape({ ...{ job, at, up }, samples });
    return at;
  };
  scrape(1, Date.now() - 1000);
  return { job, scrape };
}
const isOver = (moment: number) => expect.poll(Date.now).toBeGreaterThan(moment);
const source = openPrometheusSource(() => prometheus.url);
const patience = { withinMs: 20_000, pollMs: 5 };
const values = (readings: readonly ({ samples: readonly { value: number }[] } | null)[]) =>
  readings.map((reading) => reading?.samples[0]?.value);

test("counts from the first scrape after the arming to the first one after the end", async () => {
  const { job, scrape } = scraped();
  const opening = watchScrapes(source, job, ["orders_total"], patience);
  await prometheus.asked(3);
  const first = Date.now() + 50;
  scrape(3, first);
  const watch = await opening;
  expect(values([watch.evidence().baseline, watch.evidence().latest])).toEqual([3, undefined]);
  scrape(4, first + 10);
  scrape(5, first + 20);
  await isOver(first + 20);
  const ending = watch.readAfterEnd();
  await prometheus.asked(3);
  scrape(9, first + 60_000);
  await ending;
  const { baseline, during, latest } = watch.evidence();
  expect(values([baseline, ...during, latest])).toEqual([3, 4, 5, 9]);
  expect(watch.reachable()).toBe(true);
});

test("a target that is not scraped any more leaves no reading after the end", async () => {
  const { job, scrape } = scraped();
  const at = scrape(2);
  const watch = await watchScrapes(source, job, ["orders_total"], { withinMs: 200, pollMs: 5 });
  expect(watch.reachable()).toBe(true);
  await isOver(at);
  scrape(0, Date.now() + 60_000, false);
  await watch.readAfterEnd();
  expect(watch.reachable()).toBe(false);
  expect(watch.evidence().latest).toBeNull();
});

test("closing ends the wait for a scrape", async () => {
  const { job, scrape } = scraped();
  const at = scrape(2);
  const watch = await watchScrapes(source, job, ["orders_total"], patience);
  await isOver(at);
  const ending = watch.readAfterEnd();
  watch.close();
  await ending;
  expect(watch.reachable()).toBe(false);
});
