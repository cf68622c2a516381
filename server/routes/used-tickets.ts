/** Run ids whose ticket was used, kept until the ticket would be refused as expired anyway. */
export interface UsedTickets {
  /** False when the run id was used before. Times are milliseconds since the epoch. */
  readonly use: (runId: string, expiresAt: number, now: number) => boolean;
  readonly size: () => number;
}

/** Makes an empty {@link UsedTickets}. */
export function usedTickets(): UsedTickets {
  const expiries = new Map<string, number>();
  return {
    use(runId, expiresAt, now) {
      for (const [id, expiry] of expiries) {
        if (expiry <= now) expiries.delete(id);
      }
      if (expiries.has(runId)) return false;
      expiries.set(runId, expiresAt);
      return true;
    },
    size: () => expiries.size,
  };
}
