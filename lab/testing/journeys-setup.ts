import type { FullConfig } from "playwright/test";
import { labsForWorkers } from "./journeys-lab.ts";
import { startLab } from "./lab-under-test.ts";

/**
 * An embedded lab for each worker, in a folder of its own; what one leaves behind fails the run. Real
 * programs that somebody names (`LAB_REAL`, `LAB_KEYCLOAK_BIN`, …) take the place of stand-ins.
 */
export default async function startLabsForJourneys({
  workers,
}: FullConfig): Promise<() => Promise<void>> {
  const named = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^LAB_(REAL|[A-Z_]+_BIN)$/.test(name)),
  );
  const starts = await Promise.allSettled(
    Array.from({ length: workers }, () => startLab(undefined, [], named)),
  );
  const labs = starts.flatMap((start) => (start.status === "fulfilled" ? [start.value] : []));
  const stop = async (): Promise<void> => {
    const stops = await Promise.allSettled(labs.map((lab) => lab.stop()));
    throwFirst(stops);
  };
  if (labs.length < workers) {
    await stop();
    throwFirst(starts);
  }
  labsForWorkers(labs);
  return stop;
}

function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
