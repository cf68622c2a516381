import { expect, onTestFinished, test } from "vitest";
import { onStopRequest, type StopSignal } from "./interrupts.ts";

function watching() {
  const requests: [number, StopSignal][] = [];
  const clock = { ms: 0 };
  const dispose = onStopRequest((request, signal) => requests.push([request, signal]), {
    now: () => clock.ms,
  });
  onTestFinished(dispose);
  return { requests, clock };
}

test("one key press that arrives three times is one request", () => {
  const { requests, clock } = watching();
  for (const ms of [0, 4, 90]) {
    clock.ms = ms;
    process.emit("SIGINT", "SIGINT");
  }
  expect(requests).toEqual([[1, "SIGINT"]]);
});

test("a second press is a second request, and its copies are not a third", () => {
  const { requests, clock } = watching();
  for (const ms of [0, 5, 700, 705]) {
    clock.ms = ms;
    process.emit("SIGINT", "SIGINT");
  }
  expect(requests.map(([request]) => request)).toEqual([1, 2]);
});

test("after the end of the watch the signals are Node's again", () => {
  const before = process.listenerCount("SIGTERM");
  onStopRequest(() => {})();
  expect(process.listenerCount("SIGTERM")).toBe(before);
});
