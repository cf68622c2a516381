import type { Lease } from "#scenarios/define.ts";

/** Who holds what. At most one run per lease. */
export interface Leases {
  /** Takes all or none; answers with the first that another run holds. */
  readonly take: (
    runId: string,
    wanted: readonly Lease[],
  ) => { readonly lease: Lease; readonly heldBy: string } | undefined;
  readonly release: (runId: string) => void;
  readonly holderOf: (lease: Lease) => string | undefined;
}

export function openLeases(): Leases {
  const holders = new Map<Lease, string>();
  return {
    take: (runId, wanted) => {
      for (const lease of wanted) {
        const heldBy = holders.get(lease);
        if (heldBy !== undefined) return { lease, heldBy };
      }
      for (const lease of wanted) holders.set(lease, runId);
      return undefined;
    },
    release: (runId) => {
      for (const [lease, holder] of holders) if (holder === runId) holders.delete(lease);
    },
    holderOf: (lease) => holders.get(lease),
  };
}
