import type { FullConfig } from "playwright/test";
import { labsForWorkers } from "./journeys-lab.ts";
import { type LabUnderTest, startLab } from "./lab-under-test.ts";

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
  const labs: LabUnderTest[] = [];
  const stop = async (): Promise<void> => {
    const stops = await Promise.allSettled(labs.map((lab) => lab.stop()));
    throwFirst(stops);
  };
  try {
    // One after the other: the next finds the page built, and never picks a port that is about to be taken.
    while (labs.length < workers) labs.push(await startLab(undefined, [], named));
  } catch (error) {
    await stop();
    throw error;
  }
  labsForWorkers(labs);
  return stop;
}

function throwFirst(results: readonly PromiseSettledResult<unknown>[]): void {
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
