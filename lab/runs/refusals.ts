import type { Scenario } from "#scenarios/define.ts";
import type { ServiceStatus } from "../api/services.ts";
import { LabError } from "../errors.ts";
import type { Leases } from "./leases.ts";

/** @param limit of runs that drivers may have in hand at once. */
export const tooManyRuns = (limit: number): LabError =>
  new LabError("too-many-runs", `${limit} runs are being driven already.`, {
    hint: "Ask again when one of them has ended.",
  });

/** @param held what stands against the scenario's claim. */
export const leaseHeld = (
  scenario: Scenario,
  { lease, heldBy, broken }: NonNullable<ReturnType<Leases["take"]>>,
): LabError =>
  new LabError(
    "lease-held",
    broken
      ? `${scenario.id} needs ${lease}, and run ${heldBy} is breaking it.`
      : `${scenario.id} needs ${lease} for itself, and run ${heldBy} holds or uses it.`,
    { hint: `Wait until that run has settled: /runs/${heldBy}` },
  );

export const unknownRun = (runId: string): LabError =>
  new LabError("unknown-run", `There is no run ${runId}.`, {
    hint: "GET /lab/api/runs lists them.",
  });

export const closedRun = (runId: string): LabError =>
  new LabError("run-closed", `Run ${runId} has ended and takes no more observations.`, {
    hint: "Start a new run.",
  });

/**
 * Whether a refused run may be let in when it is asked for again in a moment: somebody else's run,
 * or a service that is on its way back, stands in the way for a while only.
 */
export function passes(
  refusal: unknown,
  othersHold: boolean,
  services: readonly ServiceStatus[],
): boolean {
  if (!(refusal instanceof LabError)) return false;
  switch (refusal.code) {
    case "lease-held":
    case "too-many-runs":
      return true;
    case "requirement-missing":
      return othersHold || services.some(isOnItsWay);
    default:
      return false;
  }
}

/** Down now, and nobody has to start it. */
function isOnItsWay({ state }: ServiceStatus): boolean {
  switch (state) {
    case "waiting":
    case "preparing":
    case "starting":
    case "backing-off":
    case "stopping":
      return true;
    case "ready":
    case "stopped":
    case "crash-looping":
    case "unavailable":
      return false;
  }
}
