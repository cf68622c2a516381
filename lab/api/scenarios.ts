import type { Requirement } from "#scenarios/define.ts";
import type { Expectation } from "#scenarios/expectation.ts";
import type { Mode } from "#scenarios/mode.ts";
import type { ParamSpec } from "#scenarios/param-spec.ts";
import type { RunRecord } from "./runs.ts";

export interface ScenarioCard {
  readonly id: string;
  readonly title: string;
  readonly summary: string;
  readonly story: string;
  readonly params: ParamSpec;
  readonly modes: readonly Mode[];
  readonly requires: readonly Requirement[];
  readonly stage: boolean;
  readonly expect: readonly Expectation[];
  /** One line per expectation, in the same order. */
  readonly expectTitles: readonly string[];
  /** Why it cannot run now; null when it can. */
  readonly disabled: string | null;
  /** Newest first, at most ten. */
  readonly lastRuns: readonly Pick<
    RunRecord,
    "runId" | "mode" | "state" | "verdict" | "startedAt" | "endedAt"
  >[];
}

/** `GET` {@link routes.scenarios}, in catalogue order. */
export interface ScenariosBody {
  readonly scenarios: readonly ScenarioCard[];
}
