import type { Lease, Scenario } from "#scenarios/define.ts";
import type { Fault } from "#scenarios/fault.ts";
import { brokenService } from "../faults/armed-faults.ts";
import type { ServiceId } from "../services/ids.ts";
import type { System } from "../system.ts";
import { type Claim, claimOf, openLeases } from "./leases.ts";
import { leaseHeld } from "./refusals.ts";

/** What a run keeps to itself while it lasts. */
export interface Hold {
  /** What others may change meanwhile; grows as others start. */
  readonly disturbed: ReadonlySet<Lease>;
  /** Are the services that it may disrupt ready again, as far as they were before it? */
  readonly recovered: () => boolean;
  readonly release: () => void;
}

/** Everything that runs hold. */
export interface Holds {
  /**
   * Takes what a scenario needs for itself, and what its faults break; their crashes are not held
   * against the services. @throws LabError `lease-held`.
   */
  readonly take: (runId: string, scenario: Scenario, faults: readonly Fault[]) => Hold;
  readonly any: () => boolean;
}

/** @param onRelease is called whenever a run lets go of what it held. */
export function openHolds(system: System, onRelease: () => void): Holds {
  const leases = openLeases(onRelease);
  const claims = new Map<string, { readonly claim: Claim; readonly disturbed: Set<Lease> }>();

  const isReady = (id: ServiceId): boolean =>
    system.services().find((row) => row.id === id)?.state === "ready";

  function overlap(runId: string, claim: Claim): ReadonlySet<Lease> {
    const disturbed = new Set<Lease>();
    for (const other of claims.values()) {
      for (const lease of changedBy(other.claim)) disturbed.add(lease);
      for (const lease of changedBy(claim)) other.disturbed.add(lease);
    }
    claims.set(runId, { claim, disturbed });
    return disturbed;
  }

  return {
    any: () => claims.size > 0,
    take: (runId, scenario, faults) => {
      const claim = claimOf(scenario, faults);
      const held = leases.take(runId, claim);
      if (held !== undefined) throw leaseHeld(scenario, held);
      const disturbed = overlap(runId, claim);
      // Its crash is the run's doing, whichever way it comes about.
      const broken = faults.map(brokenService);
      const own = claim.own.filter((lease) => lease !== "metrics");
      const disrupted = [...new Set([...own, ...broken])];
      const endCrashLeases = disrupted.map((id) => system.leaseCrashes(id));
      // What was away before the run is not waited for after it.
      const awaited = disrupted.filter(isReady);
      return {
        disturbed,
        recovered: () => awaited.every(isReady),
        release: () => {
          for (const end of endCrashLeases) end();
          leases.release(runId);
          claims.delete(runId);
        },
      };
    },
  };
}

/** Every run uses the app, and its connections with it. */
const changedBy = ({ own, broken }: Claim): readonly Lease[] => [...own, ...broken, "server"];
