import type { MutantOutcome, SelfTestMatrix } from "#lab/api.ts";
import type { Evidence } from "#lab/judge/evidence.ts";
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

const leaves = (id: string) => (evidence: Evidence) =>
  mutants.some((mutant) => mutant.id === id && mutant.apply(evidence) !== undefined);

/** Where there is something to break; the recorded form of the same defect tells where it is noticed. */
const fits: Readonly<
  Record<LiveMutant, { readonly on: (evidence: Evidence) => boolean; readonly recorded?: string }>
> = {
  "drop-traceparent": { on: callsItself },
  "drop-database-status": {
    on: leaves("drop-database-status"),
    recorded: "drop-database-status",
  },
  "silence-sentry": { on: leaves("silent-sentry"), recorded: "silent-sentry" },
};

/** Which runs try the mutants of the running app, given what became of their recorded forms. */
export const planTrials = (
  recorded: readonly Recorded[],
  matrix: Pick<SelfTestMatrix, "mutants">,
): readonly Trial[] =>
  (Object.keys(liveMutants) as LiveMutant[]).flatMap((mutant) => {
    const { on, recorded: form } = fits[mutant];
    const cells = matrix.mutants.find(({ id }) => id === form)?.cells;
    return recorded
      .filter(({ scenario, passed }) => {
        const fault = passed.find(({ mode }) => mode === "fault");
        // In the browser the page's own SDKs report as well, and they are not what is broken.
        if (scenario.stage || fault === undefined || !on(fault)) return false;
        return cells === undefined || cells[scenario.id] === "caught";
      })
      .slice(0, trialsEach)
      .map(({ scenario }) => ({ mutant, scenario }));
  });

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
