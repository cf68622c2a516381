import type { Lease, Need, Scenario } from "#scenarios/define.ts";
import type { Fault } from "#scenarios/fault.ts";
import { brokenLease } from "../faults/armed-faults.ts";

/** What a run does to what others share. */
export interface Claim {
  /** Held alone by name. */
  readonly own: readonly Lease[];
  /** Broken by its faults: nobody may need it meanwhile. */
  readonly broken: readonly Lease[];
  /** Needed whole, together with others. */
  readonly used: readonly Lease[];
}

/** Who holds what. */
export interface Leases {
  /** Takes all or none; answers with the first that stands against it. */
  readonly take: (
    runId: string,
    wanted: Claim,
  ) => { readonly lease: Lease; readonly heldBy: string; readonly broken: boolean } | undefined;
  readonly release: (runId: string) => void;
}

/** @param onRelease is called whenever a run lets go of what it held. */
export function openLeases(onRelease: () => void): Leases {
  const holders = new Map<string, Claim>();
  return {
    take: (runId, wanted) => {
      for (const [heldBy, held] of holders) {
        const lease = between(held, wanted);
        if (lease !== undefined) return { lease, heldBy, broken: held.broken.includes(lease) };
      }
      holders.set(runId, wanted);
      return undefined;
    },
    release: (runId) => {
      if (holders.delete(runId)) onRelease();
    },
  };
}

/** What two claims cannot both have: nothing is held or broken twice, or used while it is broken. */
function between(a: Claim, b: Claim): Lease | undefined {
  const alone = (claim: Claim) => [...claim.own, ...claim.broken];
  return (
    alone(a).find((lease) => alone(b).includes(lease)) ??
    a.broken.find((lease) => b.used.includes(lease)) ??
    b.broken.find((lease) => a.used.includes(lease))
  );
}

const leasable: Readonly<Record<Need, Lease | undefined>> = {
  valkey: "valkey",
  minio: "minio",
  keycloak: "keycloak",
  prometheus: undefined,
  "valkey-cache": undefined,
  "redis-exporter": undefined,
};

/** Every scenario's telemetry goes through the collector; what the app serves needs it and its database. */
export function claimOf(scenario: Scenario, faults: readonly Fault[]): Claim {
  const own = scenario.leases ?? [];
  // Whoever wants the app's process for itself ends or blocks it: a neighbour would go down with it.
  const disturbed = own.filter((lease) => lease === "server");
  const broken = [...new Set([...disturbed, ...faults.map(brokenLease)])];
  const implied: readonly Lease[] =
    scenario.serve === undefined ? ["collector"] : ["collector", "server", "postgres"];
  const needed = (scenario.needs ?? []).flatMap((need) => leasable[need] ?? []);
  return { own, broken, used: [...new Set([...implied, ...needed])] };
}
