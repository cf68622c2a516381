import { setTimeout as delay } from "node:timers/promises";
import { LabError } from "#lab/errors.ts";

/**
 * Refusals that pass: another run holds what this one needs, a service is just coming back, or the
 * lab was too busy to read the request, which has done nothing then.
 */
const passing = new Set(["lease-held", "too-many-runs", "requirement-missing", "request-timeout"]);

/** Asks again while the lab is busy, and gives up with its refusal. */
export async function patiently<T>(
  ask: () => Promise<T>,
  { everyMs = 300, withinMs = 30_000 }: { everyMs?: number; withinMs?: number } = {},
): Promise<T> {
  const until = performance.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const passes = error instanceof LabError && passing.has(error.code);
      if (!passes || performance.now() > until) throw error;
      await delay(everyMs);
    }
  }
}
