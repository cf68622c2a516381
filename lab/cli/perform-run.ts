import { randomUUID } from "node:crypto";
import { routes } from "#lab/api/routes.ts";
import type { CreatedRun, CreateRun, Observation } from "#lab/api/run-request.ts";
import type { RunRecord } from "#lab/api/runs.ts";
import { LabError } from "#lab/errors.ts";
import type { Scenario } from "#scenarios/define.ts";
import type { Context } from "./context.ts";
import { type Driven, drive } from "./driver.ts";
import { driveInPage } from "./page-driver.ts";
import { type RunWatch, watchRun } from "./run-watch.ts";
import { ask, type LabAddress } from "./running-lab.ts";

/** The lab closes a run by itself this long after the scenario's own time; then some for the way. */
const closedAfterMs = 35_000;
const defaultTimeoutMs = 10_000;

/**
 * Orders a run, drives it and waits for its verdict. Scenarios with a browser part are driven in
 * headless Chromium, as if somebody had clicked.
 * @throws LabError `no-browser`, or why the lab does not start the run.
 */
export const performRun = (
  lab: LabAddress,
  order: CreateRun,
  scenario: Scenario,
  context: Pick<Context, "env" | "say">,
): Promise<RunRecord> =>
  unlessUnread(() =>
    scenario.stage
      ? runInPage(lab, order, scenario, context)
      : runHere(lab, order, scenario, context, (ticket) => ticket),
  );

/**
 * As {@link performRun} for a scenario without a browser part, with another ticket than the lab gave.
 * @param exchange gives the ticket that the app gets for the lab's.
 */
export const performWithTicket = (
  lab: LabAddress,
  order: CreateRun,
  scenario: Scenario,
  context: Pick<Context, "say">,
  exchange: (ticket: string) => string,
): Promise<RunRecord> => unlessUnread(() => runHere(lab, order, scenario, context, exchange));

/** A lab that was too busy to read an order has done nothing with it: it gets it once more. */
async function unlessUnread<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof LabError) || error.code !== "request-timeout") throw error;
    return attempt();
  }
}

/** This process drives: it is the service `lab-cli` of the trace. */
async function runHere(
  lab: LabAddress,
  order: CreateRun,
  scenario: Scenario,
  { say }: Pick<Context, "say">,
  exchange: (ticket: string) => string,
): Promise<RunRecord> {
  const client = randomUUID();
  const body: CreateRun = { ...order, client };
  const given = await ask<CreatedRun>(lab, routes.runs, { method: "POST", body });
  const created = { ...given, ticket: exchange(given.ticket) };
  const watch = await watchRun(lab, created.runId, client);
  try {
    const driven = await drive(lab, created, {
      id: scenario.id,
      mode: order.mode ?? "fault",
    });
    if (driven.undelivered !== undefined) {
      say(`The driver's own spans were not taken: ${driven.undelivered}`);
    }
    await observe(lab, created.runId, driven);
    return await watch.ended(limitOf(scenario));
  } finally {
    watch.close();
  }
}

/** The page drives, as if somebody had clicked. */
async function runInPage(
  lab: LabAddress,
  order: CreateRun,
  scenario: Scenario,
  { env }: Pick<Context, "env">,
): Promise<RunRecord> {
  let watch: RunWatch | undefined;
  const inPage = await driveInPage(lab, order, env, async (runId) => {
    watch = await watchRun(lab, runId);
  });
  try {
    watch ??= await watchRun(lab, inPage.runId);
    return await watch.ended(limitOf(scenario));
  } finally {
    watch?.close();
    await inPage.close();
  }
}

const limitOf = ({ timeoutMs }: Scenario): number =>
  (timeoutMs ?? defaultTimeoutMs) + closedAfterMs;

async function observe(lab: LabAddress, runId: string, driven: Driven): Promise<void> {
  const observation: Observation = {
    driver: "lab-cli",
    traceId: driven.traceId,
    answer: driven.answer,
    ended: true,
  };
  await ask(lab, routes.observations(runId), { method: "POST", body: observation });
}
