import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { LabEvent } from "#lab/api/events.ts";
import { routes } from "#lab/api/routes.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import type { ScenarioCard } from "#lab/api/scenarios.ts";
import type { ServiceStatus } from "#lab/api/services.ts";
import { Lab, replaceBy, withRun } from "./lab.svelte.ts";

const idle = {
  id: "server",
  title: "Shop server",
  role: "The app",
  kind: "real",
  version: null,
  url: null,
  port: null,
  pid: null,
  startedAt: null,
  startMs: null,
  restarts: 0,
  progress: null,
  note: null,
  exitCode: null,
} as const;
const service = (state: ServiceStatus["state"]): ServiceStatus => ({ ...idle, state });

const card = (disabled: string | null): ScenarioCard => ({
  id: "db.example",
  title: "Example",
  summary: "",
  story: "",
  params: {},
  modes: ["fault"],
  requires: [],
  stage: false,
  expect: [],
  expectTitles: [],
  disabled,
  lastRuns: [],
});

const settled = {
  scenario: "db.example",
  mode: "fault",
  params: {},
  seed: 1,
  state: "settled",
  driver: "lab-web",
  traceIds: [],
  answer: null,
  page: {},
  counts: { spans: 0, logs: 0, sentry: 0 },
  signals: [],
  restarts: {},
  verdict: "declared",
  checks: [],
  links: [],
  exitCodes: {},
} as const;
const run = (runId: string, startedAt: number): RunRecord => ({
  ...settled,
  runId,
  startedAt,
  endedAt: startedAt + 5,
});

/** A front door that answers with what `world` holds, and streams what it is told. */
async function openDoor() {
  const world = {
    state: "ready" as ServiceStatus["state"],
    runs: [] as RunRecord[],
    /** Opens no stream. */
    isAway: false,
  };
  const streams: ServerResponse[] = [];
  let nextId = 1;
  const server = createServer((request, response) => {
    const answers: Readonly<Record<string, () => unknown>> = {
      [routes.status]: () => ({ runtime: "embedded", services: [service(world.state)] }),
      [routes.scenarios]: () => ({
        scenarios: [card(world.state === "ready" ? null : "the app is not ready")],
      }),
      [routes.runs]: () => ({ runs: world.runs, total: world.runs.length }),
    };
    if (request.url?.startsWith(`${routes.events}?client=`)) {
      if (world.isAway) {
        response.writeHead(503).end();
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      streams.push(response);
      return;
    }
    response.end(JSON.stringify(answers[request.url ?? ""]?.()));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    world,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tell: (event: LabEvent) => {
      for (const stream of streams)
        stream.write(`id: ${nextId++}\ndata: ${JSON.stringify(event)}\n\n`);
    },
    cut: () => {
      for (const stream of streams.splice(0)) stream.destroy();
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

let door: Awaited<ReturnType<typeof openDoor>>;
let lab: Lab;
let abort: AbortController;

beforeEach(async () => {
  door = await openDoor();
  // In the page, paths are relative to its origin; Node has none.
  const own = globalThis.fetch;
  vi.stubGlobal("fetch", (path: string, init?: RequestInit) => own(`${door.origin}${path}`, init));
  lab = new Lab();
  abort = new AbortController();
});
afterEach(() => {
  abort.abort();
  door.close();
  vi.unstubAllGlobals();
});

test("reads everything once the event stream is open", async () => {
  door.world.runs = [run("a", 1), run("b", 2)];
  void lab.follow(abort.signal);
  await expect.poll(() => lab.runsRead).toBeDefined();
  expect(lab.connection).toBe("live");
  expect(lab.history.map(({ runId }) => runId)).toEqual(["b", "a"]);
  await expect.poll(() => lab.scenarios).toHaveLength(1);
});

test("tells when a service that runs lead to moves, and of no other", async () => {
  void lab.follow(abort.signal);
  await expect.poll(() => lab.services).toHaveLength(1);
  let moved = 0;
  lab.onMoved(() => moved++);
  const at = (id: ServiceStatus["id"], url: string): ServiceStatus => ({
    ...{ ...service("ready"), id, url },
  });
  door.tell({ type: "service", service: at("tempo", "http://127.0.0.1:1") });
  door.tell({ type: "service", service: at("server", "http://127.0.0.1:2") });
  door.tell({ type: "service", service: at("tempo", "http://127.0.0.1:1") });
  door.tell({ type: "service", service: at("tempo", "http://127.0.0.1:3") });
  await expect
    .poll(() => lab.services.find(({ id }) => id === "tempo")?.url)
    .toBe("http://127.0.0.1:3");
  expect(moved).toBe(2);
});

test("a service that becomes ready makes its scenarios run again", async () => {
  door.world.state = "starting";
  void lab.follow(abort.signal);
  await expect.poll(() => lab.scenarios[0]?.disabled).toBe("the app is not ready");
  expect(lab.troubled).toHaveLength(1);
  door.world.state = "ready";
  door.tell({ type: "service", service: service("ready") });
  await expect.poll(() => lab.scenarios[0]?.disabled).toBeNull();
  expect(lab.troubled).toEqual([]);
});

test("a lab that comes back is read anew, with what happened meanwhile", async () => {
  void lab.follow(abort.signal);
  await expect.poll(() => lab.runsRead).toBeDefined();
  const resynced = vi.fn();
  lab.onResync(resynced);
  door.world.runs = [run("meanwhile", 5)];
  door.world.isAway = true;
  door.cut();
  await expect.poll(() => lab.connection).toBe("lost");
  door.world.isAway = false;
  await expect.poll(() => lab.history.map(({ runId }) => runId)).toEqual(["meanwhile"]);
  expect(lab.connection).toBe("live");
  expect(resynced).toHaveBeenCalled();
});

test("listeners hear of growing traces until they stop listening", async () => {
  void lab.follow(abort.signal);
  await expect.poll(() => lab.connection).toBe("live");
  const heard: string[] = [];
  const end = lab.onTelemetry(({ traceId }) => heard.push(traceId));
  const grown = { type: "telemetry", runId: null, spans: 1, logs: 0, sentry: 0 } as const;
  door.tell({ ...grown, traceId: "first" });
  await expect.poll(() => heard).toEqual(["first"]);
  end();
  door.tell({ ...grown, traceId: "second" });
  door.tell({ type: "run", run: run("after", 9) });
  await expect.poll(() => lab.runs.has("after")).toBe(true);
  expect(heard).toEqual(["first"]);
});

test("a row is replaced in its place, and a new one goes last", () => {
  const rows = [
    { id: 1, text: "a" },
    { id: 2, text: "b" },
  ];
  const id = (row: { id: number }) => row.id;
  expect(replaceBy(rows, { id: 1, text: "c" }, id).map(({ text }) => text)).toEqual(["c", "b"]);
  expect(replaceBy(rows, { id: 3, text: "c" }, id).map(({ text }) => text)).toEqual([
    "a",
    "b",
    "c",
  ]);
});

test("a card keeps its ten newest runs, each once", () => {
  const runs = Array.from({ length: 10 }, (_, at) => run(`r${10 - at}`, 10 - at));
  const updated = withRun(runs, run("r11", 11));
  expect(updated.map(({ runId }) => runId)).toEqual([
    "r11",
    "r10",
    "r9",
    "r8",
    "r7",
    "r6",
    "r5",
    "r4",
    "r3",
    "r2",
  ]);
  expect(withRun(runs, run("r5", 5))).toHaveLength(10);
});
