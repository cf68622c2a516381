import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scenario } from "#scenarios/define.ts";
import type { Observation } from "../../api/run-request.ts";
import type { RunRecord } from "../../api/runs.ts";
import { catalogueOf, scenario } from "../../front-door/testing/door-under-test.ts";
import { type AppHandler, openSystemDouble } from "../../front-door/testing/system-double.ts";
import { openStoreSource } from "../../sources/store.ts";
import type { BackendPatience } from "../backends.ts";
import { openDrivers } from "../drivers.ts";
import type { Patience } from "../live-run.ts";
import { openRecords } from "../records.ts";
import { openRuns } from "../runs.ts";

export const ticketKey = "ticket-key";
export const traceId = "a".repeat(32);
export const otherTrace = "b".repeat(32);
/** What the driver tells at its end. */
export const ended: Observation = {
  driver: "lab-web",
  traceId,
  answer: { status: 200, durationMs: 12 },
  ended: true,
};
/** Span of a driver: the trace has its top. */
export const root = { service: "lab-web" };

/** Runs with doubles for the app and the store. `app` answers for the server, its metrics included. */
export async function openRunsUnderTest(
  scenarios: readonly Scenario[] = [scenario()],
  patience: Patience = { quietMs: 30, rootWithinMs: 150, missingWithinMs: 60, tailMs: 60_000 },
  app: AppHandler = (_request, response) => response.end(),
  backendPatience: BackendPatience = { withinMs: 300, pollMs: 10 },
) {
  const dir = await mkdtemp(join(tmpdir(), "lab-runs-"));
  const double = await openSystemDouble(app);
  const { system, store } = double;
  const source = openStoreSource(() => system.url("store"));
  const records = openRecords(dir, () => undefined);
  const drivers = openDrivers({ graceMs: 40, firstMs: 80 });
  const changes: RunRecord[] = [];
  const waiting = new Set<() => void>();
  const following = new AbortController();
  const runs = openRuns({
    ...{ catalogue: catalogueOf(scenarios), system, source, records, ticketKey, patience },
    ...{ backendPatience, drivers },
    onChange: (record) => {
      changes.push(record);
      for (const check of [...waiting]) check();
    },
  });
  source.follow(runs.feed, following.signal);
  await store.followed();
  return {
    ...{ runs, double, store, records, changes, drivers },
    /** Resolves with the first change that fits. */
    until: async (fits: (record: RunRecord) => boolean): Promise<RunRecord> => {
      const { promise, resolve } = Promise.withResolvers<RunRecord>();
      const check = () => {
        const found = changes.find(fits);
        if (found === undefined) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
      return promise;
    },
    [Symbol.asyncDispose]: async () => {
      following.abort();
      runs.close();
      source.close();
      records.close();
      await double.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
/** What a call throws; undefined when it does not. */
export const thrown = async (call: () => unknown): Promise<unknown> => {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return undefined;
};
