import { expect, test } from "vitest";
import { watchEventLoop } from "./event-loop-metrics.ts";
import { registry } from "./metrics.ts";

const value = async (name: string): Promise<number> =>
  (await registry.getSingleMetric(name)?.get())?.values[0]?.value ?? Number.NaN;
const turn = () => new Promise((resolve) => setTimeout(resolve, 30));

test("a block of the event loop is seen by every reader, and stays in the total", async () => {
  watchEventLoop();
  await turn();
  const before = await value("lab_eventloop_blocked_seconds_total");
  const end = performance.now() + 300;
  while (performance.now() < end);
  await turn();
  for (const _reader of [1, 2]) {
    expect(await value("nodejs_eventloop_lag_max_seconds")).toBeGreaterThan(0.25);
    expect((await value("lab_eventloop_blocked_seconds_total")) - before).toBeGreaterThan(0.25);
  }
});
