import { afterAll, beforeAll, expect, test } from "vitest";
import { eventsOf, named, spansUntil, traceOf } from "../testing/evidence.ts";
import { startPostgres, type TestPostgres } from "../testing/postgres.ts";
import { startServer, type TestServer } from "../testing/server.ts";
import { startStore, type TestStore } from "../testing/store.ts";

let postgres: TestPostgres;
let store: TestStore;
let server: TestServer;
beforeAll(async () => {
  [postgres, store] = await Promise.all([startPostgres(), startStore()]);
  server = await startServer({ postgres, telemetryUrl: store.url });
}, 60_000);
afterAll(async () => {
  await server?.stop();
  await Promise.all([postgres?.stop(), store?.stop()]);
});

test("a process whose heap is full is replaced, and leaves its batches but no event", async () => {
  const run = await server.run("run.memory-leak");
  const answer = (await run.response?.json()) as
    | { readonly result: { readonly exitCodes: readonly number[] } }
    | undefined;
  const exitCodes = answer?.result.exitCodes ?? [];
  expect(exitCodes.length).toBeGreaterThan(0);
  expect(new Set(exitCodes)).toEqual(new Set([134]));
  const spans = await spansUntil(store, run.traceId, (found) =>
    found.some(({ kind }) => kind === 2),
  );
  const processes = named(spans, "export process");
  expect(processes.map(({ status }) => status)).toEqual([...exitCodes.map(() => "error"), "unset"]);
  const ids = new Set(processes.map(({ spanId }) => spanId));
  const batches = named(spans, "export batch");
  expect(batches.length).toBeGreaterThan(0);
  expect(batches.every(({ parentSpanId }) => ids.has(parentSpanId ?? ""))).toBe(true);
  expect(await eventsOf(store, run.traceId, 0)).toEqual([]);
}, 60_000);

test("one that lets go of what is done with lives on in the same heap", async () => {
  const run = await server.run("run.memory-leak", { mode: "fix" });
  expect(run.response?.status).toBe(200);
  const spans = await traceOf(store, run.traceId);
  expect(named(spans, "export process")).toHaveLength(1);
}, 60_000);
