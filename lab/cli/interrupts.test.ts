import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { onStopRequest, type StopSignal } from "./interrupts.ts";

function watching() {
  const requests: [number, StopSignal][] = [];
  const clock = { ms: 0 };
  // The test runner listens to the signals of its own processes.
  const source = new EventEmitter();
  const dispose = onStopRequest((request, signal) => requests.push([request, signal]), {
    now: () => clock.ms,
    source,
  });
  return { requests, clock, source, dispose };
}

test("one key press that arrives three times is one request", () => {
  const { requests, clock, source } = watching();
  for (const ms of [0, 4, 90]) {
    clock.ms = ms;
    source.emit("SIGINT", "SIGINT");
  }
  expect(requests).toEqual([[1, "SIGINT"]]);
});

test("a second press is a second request, and its copies are not a third", () => {
  const { requests, clock, source } = watching();
  for (const ms of [0, 5, 700, 705]) {
    clock.ms = ms;
    source.emit("SIGINT", "SIGINT");
  }
  expect(requests.map(([request]) => request)).toEqual([1, 2]);
});

test("the end of the starter is a request, unless this process outlives it", () => {
  const { requests, source } = watching();
  source.emit("disconnect");
  expect(requests).toEqual([[1, "SIGHUP"]]);
  const survivor = new EventEmitter();
  onStopRequest(() => {}, { source: survivor, outlivesStarter: true });
  expect(survivor.listenerCount("disconnect")).toBe(0);
});

test("after the end of the watch nobody listens any more", () => {
  const { source, dispose } = watching();
  expect(source.listenerCount("SIGTERM")).toBe(1);
  dispose();
  expect(source.eventNames()).toEqual([]);
});
