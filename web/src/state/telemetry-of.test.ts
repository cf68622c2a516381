import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { OtlpTrace } from "#lab/api/otlp.ts";
import { routes } from "#lab/api/routes.ts";
import type { TelemetryEvent } from "./lab.svelte.ts";
import { TelemetryOf } from "./telemetry-of.svelte.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const runId = "0000000000000000000000000a";

const otlp = (spans: number): OtlpTrace => ({
  resourceSpans: [
    {
      scopeSpans: [
        {
          spans: Array.from({ length: spans }, (_, at) => ({
            traceId,
            spanId: `span${at}`,
            name: "work",
            startTimeUnixNano: "1000",
            endTimeUnixNano: "2000",
          })),
        },
      ],
    },
  ],
});

/** What the lab holds, how often it was asked, and a gate that keeps trace answers back. */
const world = { spans: 0, logs: 0, asked: [] as string[], gate: Promise.resolve() };
let close: () => void;

beforeEach(async () => {
  Object.assign(world, { spans: 0, logs: 0, asked: [], gate: Promise.resolve() });
  const server = createServer(async (request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    world.asked.push(path);
    if (path === routes.trace(traceId)) {
      const { spans } = world;
      await world.gate;
      response.statusCode = spans === 0 ? 404 : 200;
      response.end(JSON.stringify(otlp(spans)));
    } else if (path === routes.logs) {
      response.end(JSON.stringify({ logs: Array.from({ length: world.logs }, () => ({})) }));
    } else {
      response.end(JSON.stringify({ items: [] }));
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const own = globalThis.fetch;
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => own(`${origin}${path}`, init));
  close = () => {
    vi.unstubAllGlobals();
    server.closeAllConnections();
    server.close();
  };
});
afterEach(() => close());

/** A lab that says what the test says. */
function talkingLab() {
  const listeners = new Set<(event: TelemetryEvent) => void>();
  return {
    connection: "live" as const,
    onTelemetry: (listener: (event: TelemetryEvent) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onResync: () => () => undefined,
    grow: (change: Partial<TelemetryEvent>) => {
      const event = { type: "telemetry", traceId, runId, spans: 0, logs: 0, sentry: 0 } as const;
      for (const listener of listeners) listener({ ...event, ...change });
    },
  };
}
const traceReadings = () => world.asked.filter((path) => path === routes.trace(traceId)).length;

test("a trace that is not there yet is no trouble, and is read when it grows", async () => {
  const lab = talkingLab();
  const telemetry = new TelemetryOf({ runId, traceId });
  const end = telemetry.follow(lab);
  await expect.poll(() => telemetry.read).toBe(true);
  expect(telemetry.trace).toBeUndefined();
  expect(telemetry.trouble).toBeUndefined();
  world.spans = 3;
  lab.grow({ spans: 3 });
  await expect.poll(() => telemetry.trace?.spans).toHaveLength(3);
  end();
});

test("growth while a reading is under way causes one more reading, however often it grew", async () => {
  const lab = talkingLab();
  const telemetry = new TelemetryOf({ runId, traceId });
  const { promise, resolve: open } = Promise.withResolvers<void>();
  world.spans = 1;
  world.gate = promise;
  const end = telemetry.follow(lab);
  await expect.poll(() => traceReadings()).toBe(1);
  world.spans = 5;
  for (let at = 0; at < 20; at++) lab.grow({ spans: 1 });
  open();
  await expect.poll(() => telemetry.trace?.spans).toHaveLength(5);
  expect(traceReadings()).toBe(2);
  end();
});

test("what nobody has seen yet is not asked for before it grows", async () => {
  const lab = talkingLab();
  const telemetry = new TelemetryOf({ runId, traceId }, true);
  const end = telemetry.follow(lab);
  world.spans = 2;
  lab.grow({ spans: 2 });
  await expect.poll(() => telemetry.trace?.spans).toHaveLength(2);
  expect(world.asked).toEqual([routes.trace(traceId)]);
  end();
});

test("logs that grow in a burst are read once, after the trace", async () => {
  const lab = talkingLab();
  const telemetry = new TelemetryOf({ runId, traceId }, true);
  const end = telemetry.follow(lab);
  world.logs = 3;
  for (let at = 0; at < 3; at++) lab.grow({ logs: 1 });
  world.spans = 2;
  lab.grow({ spans: 2 });
  await expect.poll(() => telemetry.logs).toHaveLength(3);
  expect(world.asked).toEqual([routes.trace(traceId), routes.logs]);
  end();
});

test("growth of other runs and traces is none of ours", async () => {
  const lab = talkingLab();
  const telemetry = new TelemetryOf({ runId, traceId }, true);
  const end = telemetry.follow(lab);
  world.logs = 1;
  lab.grow({ traceId: "other", runId: "other", spans: 9, logs: 9, sentry: 9 });
  lab.grow({ traceId: "other", logs: 1 });
  await expect.poll(() => telemetry.logs).toHaveLength(1);
  expect(world.asked).toEqual([routes.logs]);
  end();
});

test("catching up reads only what is missing", async () => {
  const telemetry = new TelemetryOf({ runId, traceId }, true);
  world.logs = 2;
  telemetry.catchUp({ spans: 0, logs: 2, sentry: 0 });
  await expect.poll(() => telemetry.logs).toHaveLength(2);
  telemetry.catchUp({ spans: 0, logs: 2, sentry: 0 });
  expect(world.asked).toEqual([routes.logs]);
});
