import type { Scenario } from "#scenarios/define.ts";
import type { Mode } from "#scenarios/mode.ts";

/** One run that a verification makes. */
export interface Job {
  readonly scenario: Scenario;
  readonly mode: Mode;
}

/** Jobs under way at once, at most. */
export const jobsAtOnce = 3;

/** Every scenario in mode fault, then in the other modes it has. */
export const planJobs = (scenarios: readonly Scenario[]): readonly Job[] =>
  scenarios.flatMap((scenario) => scenario.modes.map((mode) => ({ scenario, mode })));

/**
 * The jobs in an order that the seed alone decides: what only works after something else shows.
 * Fisher and Yates, with the numbers of mulberry32.
 */
export function shuffled<T>(jobs: readonly T[], seed: number): readonly T[] {
  let state = seed >>> 0;
  const below = (limit: number): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
  const order = [...jobs];
  for (let last = order.length - 1; last > 0; last--) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other] as T, order[last] as T];
  }
  return order;
}

/**
 * May these run at the same time? Who ends the server, counts exactly what all others count too, or
 * breaks what others may need, has to be alone; otherwise no lease may be wanted twice.
 */
export function areCompatible(a: Scenario, b: Scenario): boolean {
  if (isAlone(a) || isAlone(b)) return false;
  return !a.leases?.some((lease) => b.leases?.includes(lease));
}

const isAlone = ({ leases = [], faults }: Scenario): boolean =>
  leases.includes("server") || leases.includes("metrics") || faults !== undefined;

/**
 * Carries the jobs out in their order, later ones earlier where leases keep the next from starting.
 * Resolves with the results in the order of the jobs; rejects with the first rejection, after which
 * no other job starts.
 */
export async function carryOut<R, J extends Job = Job>(
  jobs: readonly J[],
  perform: (job: J) => Promise<R>,
  atOnce: number = jobsAtOnce,
): Promise<readonly R[]> {
  const results = new Map<J, R>();
  const waiting = new Set(jobs);
  const running = new Map<J, Promise<void>>();
  while (waiting.size > 0 || running.size > 0) {
    for (const job of waiting) {
      if (running.size >= atOnce) break;
      const others = [...running.keys()];
      if (!others.every(({ scenario }) => areCompatible(scenario, job.scenario))) continue;
      waiting.delete(job);
      running.set(
        job,
        perform(job).then((result) => {
          results.set(job, result);
          running.delete(job);
        }),
      );
    }
    await Promise.race(running.values());
  }
  return jobs.flatMap((job) => results.get(job) ?? []);
}
