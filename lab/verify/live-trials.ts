import type { MutantOutcome, SelfTestMatrix } from "#lab/api/self-test.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
import { judge } from "#lab/judge/judge.ts";
import type { Scenario } from "#scenarios/define.ts";
import { type LiveMutant, liveMutants } from "#scenarios/live-mutants.ts";
import { traceService } from "#scenarios/names.ts";
import { spansOf } from "./edits.ts";
import { mutants } from "./mutants.ts";
import { type Recorded, rowOf } from "./self-test.ts";

/** A run in mode fault whose telemetry the app breaks itself. */
export interface Trial {
  readonly mutant: LiveMutant;
  readonly scenario: Scenario;
}

/** Scenarios that each mutant is tried on, at most. */
const trialsEach = 3;

/** OTLP's numbers of span kinds. */
const kind = { server: 2, client: 3 } as const;

/** The app serves a request that it sent itself. */
function callsItself(evidence: Evidence): boolean {
  const ofApp = spansOf(evidence).filter(({ service }) => service === traceService.server);
  const sent = new Set(
    ofApp.flatMap(({ span }) => (span.kind === kind.client ? [span.spanId] : [])),
  );
  return ofApp.some(({ span }) => span.kind === kind.server && sent.has(span.parentSpanId ?? ""));
}

/** Whether a check of the fault notices the same defect in recorded evidence. */
const noticed =
  (id: string) =>
  (fault: Evidence, { expect }: Scenario): boolean => {
    const broken = mutants.find((mutant) => mutant.id === id)?.apply(fault);
    return broken !== undefined && judge(expect, broken).some(({ verdict }) => verdict === "fail");
  };

/** Where there is something to break, and somebody to notice. */
const fits: Readonly<Record<LiveMutant, (fault: Evidence, scenario: Scenario) => boolean>> = {
  "drop-traceparent": callsItself,
  "drop-database-status": noticed("drop-database-status"),
  "silence-sentry": noticed("silent-sentry"),
};

/** Which runs try the mutants of the running app. */
export const planTrials = (recorded: readonly Recorded[]): readonly Trial[] =>
  (Object.keys(liveMutants) as LiveMutant[]).flatMap((mutant) =>
    recorded
      .filter(({ scenario, passed }) => {
        const fault = passed.find(({ mode }) => mode === "fault");
        // In the browser the page's own SDKs report as well, and they are not what is broken.
        return !scenario.stage && fault !== undefined && fits[mutant](fault, scenario);
      })
      .slice(0, trialsEach)
      .map(({ scenario }) => ({ mutant, scenario })),
  );

/** The matrix with what became of the trials. */
export const withTrials = (
  matrix: SelfTestMatrix,
  outcomes: readonly (Trial & { readonly cell: MutantOutcome })[],
): SelfTestMatrix => ({
  ...matrix,
  live: Object.entries(liveMutants).map(([id, title]) =>
    rowOf(
      id,
      title,
      outcomes
        .filter(({ mutant }) => mutant === id)
        .map(({ scenario, cell }) => [scenario.id, cell] as const),
    ),
  ),
});
