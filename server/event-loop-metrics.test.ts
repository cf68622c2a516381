import { beforeAll, expect, test } from "vitest";
import { watchEventLoop } from "./event-loop-metrics.ts";
import { registry } from "./metrics.ts";

const lag = "nodejs_eventloop_lag_max_seconds";
const total = "lab_eventloop_blocked_seconds_total";
const value = async (name: string): Promise<number> =>
  (await registry.getSingleMetric(name)?.get())?.values[0]?.value ?? Number.NaN;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

beforeAll(watchEventLoop);

test("a block of the event loop is seen by every reader, and stays in the total", async () => {
  const before = await value(total);
  block(300);
  await pause(30);
  for (const _reader of [1, 2]) {
    await registry.metrics();
    expect(await value(lag)).toBeGreaterThan(0.25);
    expect((await value(total)) - before).toBeGreaterThan(0.25);
  }
});

test("a block is counted in full wherever between two readings it begins, and once", async () => {
  for (let wait = 0; wait < 12; wait += 2) {
    const startedAt = performance.now();
    const before = await value(total);
    await pause(wait);
    block(60);
    // Read in the same turn, before the tick that was held up.
    const seen = (await value(total)) - before;
    await pause(15);
    expect(seen).toBeGreaterThan(0.048);
    expect((await value(total)) - before).toBeLessThan((performance.now() - startedAt) / 1000);
  }
});
