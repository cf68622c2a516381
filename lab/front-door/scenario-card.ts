import type { Scenario } from "#scenarios/define.ts";
import { describeExpectation } from "#scenarios/describe.ts";
import type { ScenarioCard } from "../api/scenarios.ts";
import type { ServiceStatus } from "../api/services.ts";
import { disabledReason, type Unfit } from "../runs/admission.ts";
import type { Runs } from "../runs/runs.ts";

/** Runs shown on a card. */
const lastRunsShown = 10;

/** What the page shows of one scenario before it runs, and of its last runs. */
export function scenarioCard(
  scenario: Scenario,
  services: readonly ServiceStatus[],
  runs: Pick<Runs, "lastOf">,
  unfit: Unfit,
): ScenarioCard {
  const { id, title, summary, story, params, modes, expect } = scenario;
  // As many again, since those of self-tests are left out.
  const lastRuns = runs
    .lastOf(id, 2 * lastRunsShown)
    .filter(({ selfTest }) => !selfTest)
    .slice(0, lastRunsShown);
  return {
    ...{ id, title, summary, story, params, modes, expect },
    requires: scenario.requires ?? [],
    stage: scenario.stage ?? false,
    expectTitles: expect.map(describeExpectation),
    disabled: disabledReason(scenario, services, unfit),
    lastRuns: lastRuns.map(({ runId, mode, state, verdict, startedAt, endedAt }) => ({
      ...{ runId, mode, state, verdict, startedAt, endedAt },
    })),
  };
}
